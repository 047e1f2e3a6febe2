// Each fixed fact is listed in one place of each language. A second list would have to be kept equal by hand.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ERRORS } from '../../src/contract/error-codes.js';
import {
  BACKENDS,
  FILE_KINDS,
  INPUTS,
  KNOWN_FEATURES,
  PRECISIONS,
  TENSOR_TYPES,
} from '../../src/contract/names.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const CPP_ROOMS = [
  'include',
  'engine',
  'cuda',
  'tensorrt',
  'plugins',
  'binding',
  'onnxruntime',
  'libtorch',
  'bundle',
  'server',
];
const LANGUAGES = {
  TypeScript: sources(['src', 'web'], /\.tsx?$/),
  Python: sources(['python/src'], /\.py$/),
  'C++': sources(
    CPP_ROOMS.map((room) => `cpp/${room}`),
    /\.(?:h|cpp)$/,
  ),
};
type Language = keyof typeof LANGUAGES;

/** The files with their text, without comments and docstrings. */
function sources(folders: readonly string[], names: RegExp): Map<string, string> {
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => names.test(file))
      .map((file) => `${folder}/${file}`),
  );
  return new Map(files.map((file) => [file, withoutComments(readFileSync(join(root, file), 'utf8'))]));
}

function withoutComments(text: string): string {
  return text.replace(/"""[\s\S]*?"""|\/\*[\s\S]*?\*\/|(?<=^|\s)(?:\/\/|# ).*/g, '');
}

/** The files in which all names are strings, each at most `apart` characters from the next, in any order. */
function listings(language: Language, names: readonly string[], apart: number): string[] {
  return [...LANGUAGES[language]].filter(([, text]) => lists(text, names, apart)).map(([file]) => file);
}

function lists(text: string, names: readonly string[], apart: number): boolean {
  const quoted = new RegExp(
    `(["'\`])(${names.map((name) => name.replaceAll('.', '\\.')).join('|')})\\1`,
    'g',
  );
  let run = new Set<string>();
  let end = Number.NEGATIVE_INFINITY;
  for (const { index, 0: found, 2: name } of text.matchAll(quoted)) {
    if (index - end > apart) run = new Set();
    run.add(name as string);
    end = index + found.length;
    if (run.size === names.length) return true;
  }
  return false;
}

const ONE_LINE = 40;
/** An entry of the table of inputs. */
const ONE_ENTRY = 200;
const names = INPUTS.map(({ name }) => name);
const keys = INPUTS.map(({ key }) => key);

describe.each<[string, Language, readonly string[], number, string[]]>([
  ['the tensors', 'TypeScript', names, ONE_ENTRY, ['src/contract/names.ts']],
  ['the keys of the tensors', 'TypeScript', keys, ONE_ENTRY, ['src/contract/names.ts']],
  [
    'the tensors',
    'Python',
    names,
    ONE_LINE,
    // The second has the keys of pytorch-forecasting's batches, which has the same names.
    ['python/src/tft_export/description.py', 'python/src/tft_export/training/training_windows.py'],
  ],
  ['the tensors', 'C++', names, ONE_ENTRY, ['cpp/bundle/model.cpp']],
  ['the precisions', 'TypeScript', PRECISIONS, ONE_LINE, ['src/contract/names.ts']],
  ['the precisions', 'Python', PRECISIONS, ONE_LINE, ['python/src/tft_export/description.py']],
  ['the precisions', 'C++', PRECISIONS, ONE_LINE, []],
  ['the backends', 'TypeScript', BACKENDS, ONE_LINE, ['src/contract/names.ts']],
  ['the kinds of files', 'TypeScript', FILE_KINDS.plan, ONE_LINE, ['src/contract/names.ts']],
  ['the wire types', 'TypeScript', Object.values(TENSOR_TYPES), ONE_LINE, ['src/contract/names.ts']],
  ['the calendar', 'TypeScript', KNOWN_FEATURES, ONE_LINE, ['src/contract/names.ts']],
  ['the calendar', 'Python', KNOWN_FEATURES, ONE_LINE, ['python/src/tft_export/checkpoint/calendar.py']],
])('%s in %s', (_, language, fact, apart, places) => {
  test(`are listed in ${places.length === 0 ? 'no file: they come from model.json or the caller' : places.join(', ')}`, () => {
    expect(LANGUAGES[language].size).toBeGreaterThan(50);
    expect(listings(language, fact, apart).sort()).toEqual(places);
  });
});

/** More codes than any one function throws or handles. */
const MANY_CODES = 8;

test.each<[Language, string[]]>([
  ['TypeScript', ['src/contract/error-codes.ts']],
  ['Python', []],
  ['C++', ['cpp/engine/error.cpp']],
])('the error codes are listed in one file of %s', (language, places) => {
  const codes = Object.keys(ERRORS);
  const found = [...LANGUAGES[language]].filter(
    ([, text]) => codes.filter((code) => new RegExp(`\\b${code}\\b`).test(text)).length >= MANY_CODES,
  );
  expect(found.map(([file]) => file)).toEqual(places);
});

test('a second list is found', () => {
  expect(lists("z.enum(['fp16', 'int8'])", ['fp16', 'int8'], ONE_LINE)).toBe(true);
  expect(lists("precision === 'fp16' ? half() : 'int8'", ['fp16', 'int8'], 10)).toBe(false);
});

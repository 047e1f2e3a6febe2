// Plain words in code and documentation: words that had to be decoded must not come back.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Words that are not used here, and what to write instead. */
const AVOIDED: readonly (readonly [RegExp, string])[] = [
  [/\black(?:s|ed|ing)\b/i, 'is missing'],
  [/\bwho (?:waits|comes|came|asks|awaits|shares|submits|reads|loads|looks|sends)\b/i, 'the caller that …'],
  [/\bwish(?:es)?\b/i, 'options, request'],
  [/\b(?:tells?|told) of\b/i, 'reports, describes'],
  [/\boffen(?:ce|der|ding)\b/i, 'bad value, error'],
  [/\bclerk/i, 'completion thread'],
  [/\bparcels?\b/i, 'queue item'],
  [/\ball the same(?=[,;.:)'"`]|$)/im, 'anyway, still'],
  [/\b(?:stands?|lies) in\b/i, 'is in, is used instead'],
  [/\bin the way\b(?! (?:that|in which))/i, 'blocks, prevents'],
  [/\bheld against\b/i, 'compared with'],
  [/\bcall(?:s|ed|ing)? (?:it |them )?off\b/i, 'cancel'],
  [
    /\b(?:MOST|LEAST|LONGEST|SHORTEST|FEWEST)_|\bk(?:Most|Least|Longest|Shortest|Fewest)[A-Z]/,
    'MAX_, MIN_, kMax…, kMin…',
  ],
];

/** The texts to check: folders and pages are added once their prose has been edited. */
const ROOMS = [
  'backends',
  'batching',
  'builder',
  'calibration',
  'contract',
  'history',
  'kserve',
  'native',
  'service',
];
const PAGES = [
  'architecture',
  'engines',
  'errors',
  'glossary',
  'kernels',
  'native',
  'precision',
  'security',
  'service',
];
const PLACES = [
  ...ROOMS.map((room) => `src/${room}`),
  ...PAGES.map((page) => `docs/${page}.md`),
  'cpp',
  'benchmarks',
  'test/native',
];
const READABLE = /\.(?:ts|mjs|py|h|cpp|cu|cuh|md|txt)$/;
const LEFT_OUT = /\/results\//;

function textFiles(place: string): string[] {
  if (READABLE.test(place)) return [place];
  return readdirSync(join(root, place), { recursive: true, encoding: 'utf8' })
    .map((file) => `${place}/${file}`)
    .filter((file) => READABLE.test(file) && !LEFT_OUT.test(file));
}

test('code and documentation use plain words', () => {
  const files = PLACES.flatMap(textFiles);
  expect(files.length).toBeGreaterThan(300);
  const found = files.flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .flatMap((line, index) =>
        AVOIDED.filter(([word]) => word.test(line)).map(
          ([word, plain]) => `${file}:${index + 1}: '${word.exec(line)?.[0]}'; write '${plain}'`,
        ),
      ),
  );
  expect(found).toEqual([]);
});

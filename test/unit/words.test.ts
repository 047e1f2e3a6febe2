// Plain words in code and documentation: words that had to be decoded must not come back.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
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
  [/\bwhoever\b|\bthose who\b|\bfor who\b|(?:^|[.;:] )who (?!may|can)/i, 'the caller that …, a user who …'],
  [/\btold\b/i, 'gets, is sent, is reported'],
  [/\bwhat (?:came|comes)\b/i, 'the measurements, the samples'],
  [
    /\b(?:stands?|lies) (?:above|ahead|at|before|behind|below|beside|between|beyond|for|last|outside|still|under)\b/i,
    'is',
  ],
  [/\b(?:so many (?:bytes|milliseconds|minutes|steps|tokens))\b/i, 'this many …'],
  [/\bhow right\b/i, 'the accuracy of'],
  [/\blets? go\b/i, 'release, drop'],
  [
    /\b(?:MOST|LEAST|LONGEST|SHORTEST|FEWEST)_|\bk(?:Most|Least|Longest|Shortest|Fewest)[A-Z]/,
    'MAX_, MIN_, kMax…, kMin…',
  ],
];

/** The texts to check: everything that people write. */
const PLACES = [
  'benchmarks',
  'cmake',
  'cpp',
  'docker',
  'docs',
  'examples',
  'maps',
  'python/src',
  'python/tests',
  'scripts',
  'src',
  'test',
  'web',
  'CHANGELOG.md',
  'CMakeLists.txt',
  'CONTRIBUTING.md',
  'README.md',
];
/** Scripts have no ending. */
const READABLE = /\.(?:ts|tsx|mjs|py|h|cpp|cu|cuh|css|cmake|md|txt|yaml|yml)$|\/[a-z-]+$/;
/** What commands wrote, and this file. */
const LEFT_OUT = /^docs\/api\/|\/(?:results|corpus|__pycache__)\/|words\.test\.ts$/;

function textFiles(place: string): string[] {
  if (statSync(join(root, place)).isFile()) return [place];
  return readdirSync(join(root, place), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(root, join(parentPath, name)))
    .filter((file) => READABLE.test(file) && !LEFT_OUT.test(file));
}

test('code and documentation use plain words', () => {
  const files = PLACES.flatMap(textFiles);
  expect(files.length).toBeGreaterThan(900);
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

// The list of licences is that of the lock file, and no licence asks anything of a user who installs the package.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');

/** MPL-2.0 concerns changes of its own files; they are unchanged here. */
const ALLOWED = new Set(['Apache-2.0', 'BSD-3-Clause', 'ISC', 'MIT', 'MPL-2.0']);

interface Locked {
  readonly version: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly peer?: boolean;
}

const packages = Object.entries(
  (JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> }).packages,
).filter(([path, { dev, peer }]) => path !== '' && !dev && !peer);

test('THIRD_PARTY.md names what is installed with the package; node scripts/write-third-party.mjs writes it', () => {
  const rows = packages
    .filter(([, { optional }]) => !optional)
    .map(
      ([path, { version, license }]) => `| ${path.split('node_modules/').at(-1)} | ${version} | ${license} |`,
    );
  const [, table = ''] = read('THIRD_PARTY.md').split('| package | version | licence |\n|---|---|---|\n');
  expect(table.split('\n').filter((line) => line.startsWith('|'))).toEqual(rows.sort());
});

test('every licence is stated, and permits any use', () => {
  expect(packages.filter(([, { license }]) => !ALLOWED.has(license ?? ''))).toEqual([]);
});

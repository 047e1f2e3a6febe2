// docs/server.md lists which files of test/service run against both servers, and why the others do not.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const read = (path: string) => readFileSync(at(path), 'utf8');

/** The rows of the tables whose second column has this head: the files of the first column, and the last column. */
function rowsOf(head: string): Map<string, string> {
  const [, table = ''] = read('docs/server.md').split(`| ${head}`);
  const [rows] = table.split('\n\n');
  const found = new Map<string, string>();
  for (const row of (rows as string).split('\n').slice(2)) {
    const cells = row.split('|').slice(1, -1);
    for (const [, name] of (cells[0] as string).matchAll(/`([a-z-]+)`/g))
      found.set(name as string, (cells.at(-1) as string).trim());
  }
  return found;
}

const both = rowsOf('both servers pass');
const cppAlone = rowsOf('`tft-server` alone passes');
const nodeAlone = rowsOf('why not both');
const leavesOut = (name: string) =>
  /skipIf\([^)]*\bisCpp|\(isCpp \?/.test(read(`test/service/${name}.test.ts`));

test('every file is listed once', () => {
  const files = readdirSync(at('test/service')).flatMap((file) => /^(.*)\.test\.ts$/.exec(file)?.[1] ?? []);
  expect([...both.keys(), ...cppAlone.keys(), ...nodeAlone.keys()].sort()).toEqual(files.sort());
});

test('npm run test:server runs those that tft-server passes, and no other', () => {
  const [, names] = /^for name in (.*); do$/m.exec(read('scripts/test-server')) ?? [];
  expect(names?.split(' ')).toEqual([...both.keys(), ...cppAlone.keys()].sort());
});

test('a file leaves something out for tft-server exactly if its row says so', () => {
  for (const [name, remainder] of both)
    expect({ name, leavesOut: leavesOut(name) }).toEqual({ name, leavesOut: remainder !== '' });
  for (const [name, reason] of nodeAlone) expect({ name, reason }).not.toEqual({ name, reason: '' });
});

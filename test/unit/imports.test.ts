// The rooms of src/ and the direction of imports between them, as CONTRIBUTING.md states them.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .sort();
/** Each file of src/ with the files that it imports, for values or for types. */
const imports = new Map(files.map((file) => [file, importsOf(file)]));

function importsOf(file: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(root, 'src', file), 'utf8'), true, true);
  return importedFiles
    .map(({ fileName }) => fileName)
    .filter((name) => name.startsWith('.'))
    .map((name) => normalize(join(dirname(file), name)).replace(/\.js$/, '.ts'));
}

/** The chain, its top first. Rooms of one step of the chain do not import each other. */
function floors(): string[][] {
  const [, chain] = /^> (cli → .*)$/m.exec(readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8')) ?? [];
  expect(chain, 'the chain in CONTRIBUTING.md').toBeDefined();
  return (chain as string).split(' → ').map((floor) => floor.split(', '));
}

/** The room of a file. index.ts and entries/ are the public entry points, directly below the command line. */
function roomOf(file: string): string {
  if (file === 'index.ts') return 'entries';
  if (!file.includes('/')) return 'engine';
  return file.slice(0, file.indexOf('/'));
}

test('every imported file exists', () => {
  const missing = [...imports].flatMap(([file, imported]) =>
    imported.filter((other) => !imports.has(other)).map((other) => `${file} → ${other}`),
  );
  expect(missing).toEqual([]);
  expect(imports.get('engine.ts')).toContain('contract/model.ts');
});

test('imports point down the chain that CONTRIBUTING states, never up or across', () => {
  const [top = [], ...rest] = floors();
  const level = new Map([top, ['entries'], ...rest].flatMap((floor, at) => floor.map((room) => [room, at])));
  const unknown = new Set([...imports.keys()].map(roomOf).filter((room) => !level.has(room)));
  expect([...unknown], 'rooms that CONTRIBUTING does not name').toEqual([]);
  const wrong = [...imports].flatMap(([file, imported]) =>
    imported
      .filter((other) => {
        const [from, to] = [roomOf(file), roomOf(other)];
        return from !== to && (level.get(from) as number) >= (level.get(to) as number);
      })
      .map((other) => `${file} → ${other}`),
  );
  expect(wrong).toEqual([]);
});

test('no backend imports another', () => {
  const folderOf = (file: string) => /^backends\/([^/]+)\//.exec(file)?.[1];
  const wrong = [...imports].flatMap(([file, imported]) =>
    imported
      .filter((other) => folderOf(file) && folderOf(other) && folderOf(file) !== folderOf(other))
      .map((other) => `${file} → ${other}`),
  );
  expect(wrong).toEqual([]);
});

test('the command line uses the public entry points only', () => {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, { default?: string }>;
  };
  const entries = Object.values(exports).flatMap(({ default: file }) =>
    file === undefined ? [] : [file.replace(/^\.\/lib\/(.*)\.js$/, '$1.ts')],
  );
  expect(entries).toContain('service/index.ts');
  const wrong = [...imports]
    .filter(([file]) => roomOf(file) === 'cli')
    .flatMap(([file, imported]) =>
      imported
        .filter((other) => roomOf(other) !== 'cli' && !entries.includes(other))
        .map((other) => `${file} → ${other}`),
    );
  expect(wrong).toEqual([]);
});

test('no imports go in a circle', () => {
  const done = new Set<string>();
  const circles: string[] = [];
  const follow = (file: string, path: readonly string[]) => {
    if (path.includes(file)) {
      circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      return;
    }
    if (done.has(file)) return;
    for (const other of imports.get(file) ?? []) follow(other, [...path, file]);
    done.add(file);
  };
  for (const file of files) follow(file, []);
  expect(circles).toEqual([]);
});

// docs/capacity.md has the figures of the measurements that it names.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

test('the tables are those that node scripts/write-capacity.mjs writes', () => {
  const printed = execFileSync(process.execPath, [path('scripts/write-capacity.mjs'), '--print'], {
    encoding: 'utf8',
  });
  const tables = JSON.parse(printed) as Record<string, string>;
  const document = readFileSync(path('docs/capacity.md'), 'utf8');
  const found = [...document.matchAll(/<!-- table: (\w+) -->\n\n([\s\S]*?)\n\n<!-- end -->/g)];
  expect(Object.fromEntries(found.map(([, name, table]) => [name, table]))).toEqual(tables);
});

// The server in C++ has the error codes and the default settings of the service.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ERRORS } from '../../src/contract/error-codes.js';
import { settings } from '../../src/service/index.js';

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');

test('its codes and their statuses are those of the table; node scripts/write-server-errors.mjs writes them', () => {
  const found = [...read('cpp/server/error_codes.inc').matchAll(/^TFT_ERROR\((\w+), (\d+)\)$/gm)];
  expect(found.map(([, name, status]) => [`ERR_TFT_${name}`, Number(status)])).toEqual(
    Object.entries(ERRORS).map(([code, { status = 500 }]) => [code, status]),
  );
});

test('a setting that both have is spelled alike and has the same default', () => {
  const table = [...read('cpp/server/settings.cpp').matchAll(/\{"(\w+)", &Settings::(\w+),/g)];
  const defaults = new Map(
    [...read('cpp/server/settings.h').matchAll(/^ {2}[\w:<>]+ (\w+)(?: = (.+))?;$/gm)].map(
      ([, member, value]) => [member as string, value],
    ),
  );
  const theirs = new Map(settings.map(({ key, fallback }) => [key, fallback]));
  const shared = table.filter(([, key]) => theirs.has(key as string));
  expect(shared.length).toBeGreaterThan(25);
  for (const [, key = '', member = ''] of shared) {
    const value = defaults.get(member)?.replaceAll("'", '');
    const shift = /^std::int64_t\{(\d+)\} << (\d+)$/.exec(value ?? '');
    const own = shift ? Number(shift[1]) * 2 ** Number(shift[2]) : JSON.parse(value ?? 'null');
    const expected = theirs.get(key);
    // Where the service has no default, 0 and no text mean the same here; lists are empty.
    const isNone = expected === undefined || (Array.isArray(expected) && expected.length === 0);
    expect([key, own === 0 && isNone ? null : own]).toEqual([key, isNone ? null : expected]);
  }
});

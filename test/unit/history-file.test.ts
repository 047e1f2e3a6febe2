// History files through readHistory: what is read, and what is refused with its line and column.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { parseColumnMap, type ReadHistoryOptions, readHistory } from '../../src/history/index.js';
import { smallModel } from '../fixtures/small-model.js';

const folder = mkdtempSync(join(tmpdir(), 'tft-history-'));
afterAll(() => rmSync(folder, { recursive: true }));

const HEADER = 'timestamp,server_name,cpu,net\n';
const lines = (count: number, server = 'a', minute = 0) =>
  Array.from(
    { length: count },
    (_, step) => `2026-01-05T12:${String(minute + 5 * step).padStart(2, '0')}Z,${server},${step},0.5\n`,
  ).join('');

function read(content: string | Buffer, options?: ReadHistoryOptions) {
  return readHistory(Readable.from([Buffer.from(content)]), smallModel, options);
}

async function cpuOf(content: string | Buffer, options?: ReadHistoryOptions): Promise<number[]> {
  const [window] = (await read(content, options)).windows().servers;
  return [...(window?.inputs.encoderCont ?? [])].filter((_, index) => index % 2 === 0);
}

/** The kinds of warnings, but for the categories, which these files have not. */
async function kindsOf(content: string | Buffer, options?: ReadHistoryOptions): Promise<string[]> {
  const { warnings } = (await read(content, options)).windows();
  return warnings.map(({ kind }) => kind).filter((kind) => kind !== 'category');
}

async function refusal(content: string | Buffer, options?: ReadHistoryOptions): Promise<[string, string]> {
  return read(content, options).then(
    () => ['none', ''],
    (error) => [error.code, error.message],
  );
}

describe('a history file is read', () => {
  const expected = [0, 1, 2, 3];
  const plain = HEADER + lines(4);

  it.each<[string, string | Buffer]>([
    ['plain', plain],
    ['without a last newline', plain.slice(0, -1)],
    ['with a byte order mark', `\uFEFF${plain}`],
    ['with CRLF', plain.replaceAll('\n', '\r\n')],
    ['with blank lines', plain.replaceAll('\n', '\n\n')],
    ['with blanks around names and values', plain.replaceAll(',', ' , ')],
    ['with quotes', plain.replaceAll('a,', '"a",').replace('cpu', '"cpu"')],
    ['gzipped', gzipSync(plain)],
    ['gzipped in two members', Buffer.concat([gzipSync(plain.slice(0, 60)), gzipSync(plain.slice(60))])],
    [
      'with columns in another order',
      `net,cpu,server_name,timestamp\n${[0, 1, 2, 3].map((s) => `1,${s},a,2026-01-05 12:${10 + 5 * s}`).join('\n')}`,
    ],
    ['with profile and status', `timestamp,server_name,profile,status,cpu,net\n${lines(4, 'a,web,idle')}`],
  ])('%s', async (_name, content) => {
    expect(await cpuOf(content)).toEqual(expected);
  });

  it('from a path, gzip recognised without its ending', async () => {
    const path = join(folder, 'history.csv');
    writeFileSync(path, gzipSync(plain));
    const history = await readHistory(path, smallModel);
    expect(history.windows().servers).toHaveLength(1);
  });

  it('with times of several zones, across a change to summer time', async () => {
    // Berlin, 2026-03-29: 01:55+01:00 is followed by 03:00+02:00.
    const rows = ['01:50:00+01:00', '01:55:00+01:00', '03:00:00+02:00', '03:05:00+02:00'];
    const content = HEADER + rows.map((time, step) => `2026-03-29T${time},a,${step},0`).join('\n');
    expect(await cpuOf(content)).toEqual(expected);
    expect(await kindsOf(content)).toEqual([]);
  });

  it('with an empty metric: the row counts as missing, with a warning', async () => {
    const content = plain.replace(',2,0.5', ',,0.5');
    expect(await cpuOf(content)).toEqual([0, 1, 1, 3]);
    expect(await kindsOf(content)).toEqual(['filled', 'incomplete']);
  });

  it('only the servers asked for, whatever the others hold', async () => {
    const content = `${HEADER + lines(4)}2026-01-05T12:00Z,broken,x,y\n`;
    expect(await cpuOf(content, { servers: ['a'] })).toEqual(expected);
    const history = await read(content, { servers: ['nobody'] });
    expect(history.windows({ servers: ['nobody'] }).refused).toMatchObject([
      { server: 'nobody', code: 'ERR_TFT_HISTORY_EMPTY' },
    ]);
  });

  it('with names of any characters, in pieces of any size', async () => {
    const name = fc
      .string({
        minLength: 1,
        maxLength: 12,
        unit: fc.constantFrom('a', 'é', '服', '"', ',', '\n', ' ', '🚀', 'b'),
      })
      .map((text) => `x${text}x`);
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(name, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 40 }),
        fc.boolean(),
        async (names, size, zipped) => {
          const text = HEADER + names.map((n) => lines(1, `"${n.replaceAll('"', '""')}"`)).join('');
          const bytes = zipped ? gzipSync(text) : Buffer.from(text);
          const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
            bytes.subarray(index * size, (index + 1) * size),
          );
          const history = await readHistory(Readable.from(pieces), smallModel);
          expect(new Set(history.servers)).toEqual(new Set(names));
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('a broken file is refused', () => {
  const row = lines(1).trim();
  it.each<[string, string | Buffer, string, string]>([
    ['empty', '', 'ERR_TFT_HISTORY_EMPTY', 'standard input is empty'],
    ['a header alone', HEADER, 'ERR_TFT_HISTORY_EMPTY', 'standard input has a header but no rows'],
    [
      'half a line',
      HEADER + lines(2) + row.slice(0, 20),
      'ERR_TFT_HISTORY_VALUE',
      'line 4 has 3 fields, but the header has 4; is the line cut off?',
    ],
    ['too many fields', `${HEADER}${row},7\n`, 'ERR_TFT_HISTORY_VALUE', 'line 2 has 5 fields'],
    [
      'text in a number',
      `${HEADER + lines(1)}2026-01-05T12:05Z,a,about 5,1\n`,
      'ERR_TFT_HISTORY_VALUE',
      "line 3, column cpu: 'about 5' is not a number",
    ],
    [
      'infinity',
      `${HEADER}2026-01-05T12:05Z,a,Infinity,1\n`,
      'ERR_TFT_HISTORY_VALUE',
      "column cpu: 'Infinity'",
    ],
    ['hexadecimal', `${HEADER}2026-01-05T12:05Z,a,0x1F,1\n`, 'ERR_TFT_HISTORY_VALUE', "column cpu: '0x1F'"],
    [
      'a decimal comma',
      `${HEADER}2026-01-05T12:05Z,a,"1,5",1\n`,
      'ERR_TFT_HISTORY_VALUE',
      "column cpu: '1,5'",
    ],
    ['beyond float32', `${HEADER}2026-01-05T12:05Z,a,1e39,1\n`, 'ERR_TFT_HISTORY_VALUE', 'line 2'],
    [
      'a time that is none',
      `${HEADER}05.01.2026 12:05,a,1,1\n`,
      'ERR_TFT_HISTORY_VALUE',
      "line 2, column timestamp: '05.01.2026 12:05' is not a time",
    ],
    ['no server', `${HEADER}2026-01-05T12:05Z,,1,1\n`, 'ERR_TFT_HISTORY_VALUE', 'line 2, column server_name'],
    [
      'a missing column',
      'timestamp,server_name,cpu\n',
      'ERR_TFT_HISTORY_COLUMN',
      "a column is missing: 'net' (a metric); the file has 'timestamp', 'server_name', 'cpu'",
    ],
    [
      'an unknown column',
      HEADER.replace('net', 'net,disk'),
      'ERR_TFT_HISTORY_COLUMN',
      "unknown column 'disk'",
    ],
    [
      'a column twice',
      HEADER.replace('net', 'net,cpu'),
      'ERR_TFT_HISTORY_COLUMN',
      "two columns are called 'cpu'",
    ],
    [
      'semicolons',
      HEADER.replaceAll(',', ';'),
      'ERR_TFT_HISTORY_COLUMN',
      'columns must be separated by commas',
    ],
    ['no header', lines(4), 'ERR_TFT_HISTORY_COLUMN', 'columns are missing'],
    [
      'an open quote',
      `${HEADER}${lines(1)}2026-01-05T12:05Z,"a,1,1\n${lines(3)}`,
      'ERR_TFT_HISTORY_VALUE',
      'line 3: a quote is opened and never closed',
    ],
    [
      'a quote in the wrong place',
      `${HEADER}2026-01-05T12:05Z,"a"b,1,1\n`,
      'ERR_TFT_HISTORY_VALUE',
      'line 2',
    ],
    [
      'binary junk',
      Buffer.from([0x50, 0x4b, 3, 4, 0, 0, 0xff, 0xfe]),
      'ERR_TFT_FILE',
      'is not text in UTF-8',
    ],
    ['UTF-16', Buffer.from(`\uFEFF${HEADER}${row}`, 'utf16le'), 'ERR_TFT_FILE', 'is not text in UTF-8'],
    ['a line without an end', 'x'.repeat(1 << 21), 'ERR_TFT_FILE', 'line 1 has no end within 1 MiB'],
    [
      'gzip cut off',
      gzipSync(HEADER + lines(12)).subarray(0, 60),
      'ERR_TFT_FILE',
      'the gzip data ends early; was the file cut off?',
    ],
    [
      'gzip damaged',
      gzipSync(HEADER + lines(12)).fill(7, 30, 60),
      'ERR_TFT_FILE',
      'the gzip data is damaged',
    ],
  ])('%s', async (_name, content, code, message) => {
    const [foundCode, found] = await refusal(content);
    expect(found).toContain(message);
    expect(foundCode).toBe(code);
  });

  it('with the right line after records of several lines', async () => {
    const content = `${HEADER}${lines(1, '"two\nlines"')}\n2026-01-05T12:05Z,a,x,1\n`;
    expect((await refusal(content))[1]).toContain('line 5, column cpu');
  });

  it('that does not exist, or is a folder', async () => {
    await expect(readHistory(join(folder, 'none.csv'), smallModel)).rejects.toMatchObject({
      code: 'ERR_TFT_FILE',
      message: expect.stringContaining('there is no such file'),
    });
    await expect(readHistory(folder, smallModel)).rejects.toMatchObject({
      code: 'ERR_TFT_FILE',
      message: expect.stringContaining('it is a folder'),
    });
  });

  it('with a month missing: the server is refused, telling the gap', async () => {
    const content = `${HEADER}${lines(8)}${lines(2).replaceAll('2026-01', '2026-02')}`;
    expect((await read(content)).windows().refused).toMatchObject([
      {
        server: 'a',
        code: 'ERR_TFT_HISTORY_SHORT',
        message: expect.stringContaining(
          'has 2 steps (0.2 h) since a gap of 8920 steps that ends before 2026-02-05T12:00Z',
        ),
      },
    ]);
  });
});

describe('a column map', () => {
  const map = {
    schemaVersion: 1,
    timestamp: 'time',
    server_name: 'host',
    profile: { constant: 'web' },
    status: { column: 'state', values: { OK: 'healthy' } },
    metrics: {
      cpu: { sum: [[100], [-1, 'idle'], [0.5, 'idle', 'cores']], clip: [null, 90] },
      net: { column: 'kb', scale: 0.001 },
    },
  };
  const header = 'host,time,idle,cores,kb,state,extra\n';
  const content =
    header +
    [0, 1, 2, 3]
      .map(
        (step) => `a,2026-01-05T12:${10 + 5 * step},${40 - 10 * step},1,500,${step > 1 ? 'OK' : 'idle'},?\n`,
      )
      .join('');

  it('renames, scales, sums, clips, translates and ignores the rest', async () => {
    const history = await read(content, { map: parseColumnMap(map) });
    const [window] = history.windows().servers;
    expect([...(window?.inputs.encoderCont ?? [])]).toEqual([80, 0.5, 85, 0.5, 90, 0.5, 90, 0.5]);
    expect([...(window?.inputs.encoderCat ?? [])]).toEqual([1, 2, 1, 2, 1, 1, 1, 1]);
  });

  it('takes a metric that it does not name from the column of its name', async () => {
    const own = parseColumnMap({ schemaVersion: 1, metrics: { net: { constant: 7 } } });
    const [window] = (await read(HEADER.replace('net', 'other') + lines(4), { map: own })).windows().servers;
    expect([...(window?.inputs.encoderCont ?? [])]).toEqual([0, 7, 1, 7, 2, 7, 3, 7]);
  });

  it('makes a row count as missing when a column that it needs is empty, clipped or not', async () => {
    const history = await read(content.replace(',30,1,', ',,1,'), { map: parseColumnMap(map) });
    const { servers, warnings } = history.windows();
    expect(servers[0]?.inputs.encoderCont[2]).toBe(80);
    expect(warnings.map(({ kind }) => kind)).toEqual(['clipped', 'filled', 'incomplete']);
  });

  it('names a source column that the file does not have, and what it is for', async () => {
    const [code, message] = await refusal(content.replace('cores', 'threads'), { map: parseColumnMap(map) });
    expect(code).toBe('ERR_TFT_HISTORY_COLUMN');
    expect(message).toContain("a column is missing: 'cores' (for cpu)");
  });

  it.each<[string, object, string]>([
    ['no version', { schemaVersion: undefined }, 'schemaVersion: must be 1'],
    ['an unknown key', { metric: {} }, 'metric'],
    ['no rule', { metrics: { cpu: {} } }, "metrics.cpu: needs exactly one of 'column', 'sum' and 'constant'"],
    ['two rules', { metrics: { cpu: { constant: 1, column: 'x' } } }, 'metrics.cpu: needs exactly one'],
    [
      'a scale for a constant',
      { metrics: { cpu: { constant: 1, scale: 2 } } },
      "'scale' goes with 'column' only",
    ],
    ['a misspelt rule', { metrics: { cpu: { colum: 'x' } } }, 'metrics.cpu'],
    ['a term without a number', { metrics: { cpu: { sum: [['idle']] } } }, 'metrics.cpu.sum.0.0'],
    ['an empty sum', { metrics: { cpu: { sum: [] } } }, 'metrics.cpu.sum'],
    ['a clip the wrong way round', { metrics: { cpu: { constant: 1, clip: [2, 1] } } }, 'metrics.cpu.clip'],
    ['text for a number', { metrics: { cpu: { constant: '1' } } }, 'metrics.cpu.constant'],
    ['an empty category', { profile: {} }, "profile: needs exactly one of 'column' and 'constant'"],
    [
      'values for a constant',
      { status: { constant: 'x', values: {} } },
      "status: 'values' goes with 'column'",
    ],
  ])('is refused for %s, naming the key', (_name, change, message) => {
    expect(() => parseColumnMap({ ...map, ...change }, 'my.json')).toThrowError(
      expect.objectContaining({ code: 'ERR_TFT_MAP_INVALID', message: expect.stringContaining(message) }),
    );
    expect(() => parseColumnMap({ ...map, ...change }, 'my.json')).toThrowError(/^my\.json: /);
  });
});

describe('names and labels that a CSV file does not hold as they are', () => {
  const model = {
    ...smallModel,
    metrics: [
      { name: ' cpu', unit: '' },
      { name: 'net ', unit: '' },
    ],
    categories: [
      { name: ' status ', codes: { unknown: 0, '': 1, ' busy': 2, 'idle ': 3 }, role: 'varying' as const },
    ],
  };
  const read = async (rows: string) => {
    const source = Readable.from([Buffer.from(`timestamp,server_name,status,cpu,net\n${rows}`)]);
    return (await readHistory(source, model)).windows();
  };

  it('are found with blanks around them or without, and empty', async () => {
    const rows = ['', 'busy', ' busy', 'idle'].map((label, i) => `2026-01-05T12:0${5 * i}Z,a,${label},1,1\n`);
    const [window] = (await read(rows.join('').replace(':010', ':10').replace(':015', ':15'))).servers;
    expect([...(window?.inputs.encoderCat ?? [])]).toEqual([1, 2, 2, 3]);
  });

  it('are unknown, and said to be, where there is no such label', async () => {
    const rows = ['x', 'y', 'x', 'busy'].map(
      (label, i) => `2026-01-05T12:${i < 2 ? '0' : ''}${5 * i}Z,a,${label},1,1\n`,
    );
    const { servers, warnings } = await read(rows.join(''));
    expect([...(servers[0]?.inputs.encoderCat ?? [])]).toEqual([0, 0, 0, 2]);
    expect(warnings.map(({ message }) => message).join()).toContain("'x' is unknown to the model (2 rows)");
  });
});

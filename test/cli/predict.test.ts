// `tft predict` as a user meets it: the real process, its output, its exit status.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forecastSchema } from '../../src/forecast-schema.js';
import { bundleWithHistory, HEADER, line, lines, STEP, T0, TFT, TINY, tft } from './tft.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tft-predict-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const GOOD = HEADER + lines('vm2', 0, 7) + lines('vm10', 0, 7);

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const predict = (content: string | Buffer, ...args: string[]) =>
  tft(['predict', '-', '--model', TINY, ...args], { input: content });

/** What the arithmetic of `tiny` gives for CPU values, at 10:00 and the three steps after. */
function expectedValues(cpu: readonly number[], hours: readonly number[]): number[][] {
  const level = cpu.reduce((sum, value) => sum + value + 0.5 * 0.5 + 0.25 * 2, 0);
  const kinds = 6 * (16 * 1 + 0.5 * 1);
  return hours.map((hour) => {
    const centre = level + kinds + 0.5 * hour + 16 + 0.5;
    return [centre - 1, centre, centre + 2];
  });
}

describe('the output', () => {
  it('is a table with now, three steps ahead and the band', async () => {
    const { status, stdout, stderr } = await predict(GOOD);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const [title, band, blank, head, first, second] = stdout.split('\n');
    expect(title).toBe('cpu_user_pct, the next 1 h of 2 servers, from 2026-01-07T10:00Z');
    expect(band).toBe('median and 10–90 % band · quantiles sorted, at least 0 · times in UTC');
    expect(blank).toBe('');
    expect(head?.split(/\s{2,}/)).toEqual(['server', 'now', '+15 min', '+30 min', '+1 h']);
    const row = expectedValues([2, 3, 4, 5, 6, 7], [10])
      .flat()
      .map((value) => value.toFixed(1));
    expect(first?.split(/\s{2,}/).slice(0, 4)).toEqual(['vm2', '7.0', row[1], `${row[0]} – ${row[2]}`]);
    expect(second?.startsWith('vm10')).toBe(true);
  });

  it('says with --explain what each forecast rests on', async () => {
    const demo = join(import.meta.dirname, '../../models/demo/history.csv.gz');
    const servers = ['--servers', 'sim-web-api-009,sim-web-api-016'];
    const { status, stdout } = await tft(['predict', demo, '--explain', '--no-chart', ...servers]);
    expect(status).toBe(0);
    const [, explained = ''] = stdout.split('What the forecasts rest on\n');
    const [, , head = '', ...rows] = explained.trimEnd().split('\n');
    expect(head.split(/\s{2,}/)).toEqual(['server', 'of the past', 'known ahead', '24 h ago to now']);
    expect(rows.map((row) => row.split(/\s{2,}/)[0])).toEqual(['sim-web-api-009', 'sim-web-api-016']);
    for (const row of rows) {
      const [, past, ahead, hours] = row.split(/\s{2,}/);
      expect(past).toMatch(/^\w+ \d+, \w+ \d+$/);
      expect(ahead).toContain('cpu_user_pct 24 h before');
      expect(hours).toMatch(/^[▁▂▃▄▅▆▇█]{24}$/);
      expect(hours).toContain('█');
    }
    const json = await tft(['predict', demo, '--explain', '--json', ...servers]);
    const { forecasts } = forecastSchema.parse(JSON.parse(json.stdout));
    expect(forecasts[1]?.explanation?.encoder).toHaveLength(6);
    expect(await tft(['predict', demo, '--explain', '--csv'])).toMatchObject({ status: 1 });
    const without = await predict(GOOD, '--explain');
    expect([without.status, without.stderr]).toEqual([1, expect.stringContaining('tft-export explain')]);
  });

  it('is JSON of the promised shape with the right numbers', async () => {
    const { status, stdout } = await predict(GOOD, '--json');
    expect(status).toBe(0);
    const values = expectedValues([2, 3, 4, 5, 6, 7], [10, 10, 10, 10]);
    const forecast = {
      now: 7,
      start: '2026-01-07T10:00:00.000Z',
      stepMinutes: 15,
      times: ['10:00', '10:15', '10:30', '10:45'].map((time) => `2026-01-07T${time}:00.000Z`),
      quantiles: [0.1, 0.5, 0.9],
      values,
    };
    expect(forecastSchema.parse(JSON.parse(stdout))).toEqual({
      model: 'tiny',
      target: 'cpu_user_pct',
      unit: '',
      backend: 'onnxruntime',
      precision: 'fp32',
      sorted: true,
      clipped: true,
      forecasts: [
        { server: 'vm2', ...forecast },
        { server: 'vm10', ...forecast },
      ],
      refused: [],
      warnings: [],
    });
  });

  it("keeps to the target's range and says so; --raw does not", async () => {
    const low = GOOD.replace(/,healthy,\d+,/g, ',healthy,-40,');
    const kept = await predict(low, '--json');
    expect(JSON.parse(kept.stdout).forecasts[0].values[0]).toEqual([0, 0, 0]);
    expect((await predict(low)).stdout).toContain('quantiles sorted, at least 0');
    const raw = await predict(low, '--json', '--raw');
    expect(JSON.parse(raw.stdout)).toMatchObject({ sorted: false, clipped: false });
    expect(JSON.parse(raw.stdout).forecasts[0].values[0][1]).toBeLessThan(0);
    expect((await predict(low, '--raw')).stdout).not.toContain('sorted');
  });

  it('is CSV with a line for every server and step', async () => {
    const { status, stdout } = await predict(GOOD.replaceAll('vm2', '"a,""b"'), '--csv');
    expect(status).toBe(0);
    const [head, ...rows] = parse(stdout) as string[][];
    expect(head).toEqual(['server', 'timestamp', 'q10', 'q50', 'q90']);
    expect(rows).toHaveLength(8);
    const [values] = expectedValues([2, 3, 4, 5, 6, 7], [10]);
    expect(rows[0]).toEqual(['a,"b', '2026-01-07T10:00Z', ...(values ?? []).map(String)]);
    expect(rows[3]?.[1]).toBe('2026-01-07T10:45Z');
  });

  it('has no colours in a pipe, unless forced, and none with NO_COLOR', async () => {
    const plain = await predict(GOOD);
    const args = ['predict', '-', '--model', TINY, '--chart'];
    const forced = await tft(args, { input: GOOD, env: { FORCE_COLOR: '1' } });
    const refused = await tft(args, { input: GOOD, env: { FORCE_COLOR: '1', NO_COLOR: '1' } });
    expect(plain.stdout).not.toContain('\u001b');
    expect(forced.stdout).toContain('\u001b[');
    expect(refused.stdout).not.toContain('\u001b');
  });

  it('has charts on request: a title, a picture in dots and a time axis for each server', async () => {
    const { stdout } = await predict(GOOD, '--chart');
    const charts = stdout.slice(stdout.indexOf('+1 h') + 1);
    expect(charts).toMatch(/vm2 +vm10/);
    expect(charts).toMatch(/[\u2801-\u28FF]/);
    expect(charts).toMatch(/-1\.5 h +now +\+1 h/);
  });

  it('shows a name that could steer the terminal without its control characters', async () => {
    const { stdout, stderr } = await predict(GOOD.replaceAll('vm2', 'evil\u001b[2J'), '--chart');
    expect(stdout + stderr).not.toContain('\u001b');
    expect(stdout).toContain('evil\uFFFD[2J');
  });

  it('can be cut off by its reader without a complaint', async () => {
    const many = HEADER + Array.from({ length: 400 }, (_, server) => lines(`vm${server}`, 0, 5)).join('');
    const path = file('many.csv', many);
    const command = `"${process.execPath}" "${TFT}" predict "${path}" --model "${TINY}" --csv | head -1; exit "\${PIPESTATUS[0]}"`;
    const child = spawn('bash', ['-c', command]);
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => {
      output.stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output.stderr += chunk;
    });
    const status = await new Promise((resolve) => child.on('close', resolve));
    expect(output).toEqual({ stdout: 'server,timestamp,q10,q50,q90\n', stderr: '' });
    expect(status).toBe(0);
  });

  it.skipIf(!existsSync('/usr/bin/script'))('on a terminal has colours and charts', () => {
    const path = file('good.csv', GOOD);
    const command = `"${process.execPath}" "${TFT}" predict "${path}" --model "${TINY}"`;
    const { NO_COLOR: _plain, ...env } = process.env;
    const shown = execFileSync('script', ['-qec', command, '/dev/null'], {
      env: { ...env, TERM: 'xterm' },
      stdio: ['ignore', 'pipe', 'pipe'],
    }).toString();
    expect(shown).toContain('\u001b[1m');
    expect(shown).toMatch(/[\u2801-\u28FF]/);
  });
});

describe('the input', () => {
  it('is a file or standard input, gzipped or not', async () => {
    const expected = (await predict(GOOD, '--json')).stdout;
    for (const [name, content] of [
      ['plain.csv', GOOD],
      ['zipped.csv', gzipSync(GOOD)],
    ] as const) {
      const { stdout, status } = await tft(['predict', file(name, content), '--model', TINY, '--json']);
      expect(status).toBe(0);
      expect(stdout).toBe(expected);
    }
    expect((await predict(gzipSync(GOOD), '--json')).stdout).toBe(expected);
  });

  it('is forecast as of --at, with nothing after it used', async () => {
    const at = new Date(T0 + 5 * STEP).toISOString();
    const shorter = await predict(HEADER + lines('vm2', 0, 5), '--json');
    const earlier = await predict(HEADER + lines('vm2', 0, 7), '--json', '--at', at);
    expect(earlier).toEqual(shorter);
  });

  it('is limited to --servers; one that is not there is named', async () => {
    const { stdout, stderr, status } = await predict(GOOD, '--servers', 'vm10,ghost', '--json');
    expect(status).toBe(2);
    const { forecasts, refused } = JSON.parse(stdout);
    expect(forecasts.map((item: { server: string }) => item.server)).toEqual(['vm10']);
    expect(refused).toEqual([
      { server: 'ghost', code: 'ERR_TFT_HISTORY_EMPTY', message: 'there are no rows of this server' },
    ]);
    expect(stderr).toBe('refused: ghost: there are no rows of this server (ERR_TFT_HISTORY_EMPTY)\n');
  });

  it('may have gaps as long as --max-gap, with a warning', async () => {
    const gappy = HEADER + lines('vm2', 0, 3) + lines('vm2', 6, 8);
    const filled = await predict(gappy, '--max-gap', '30');
    expect(filled.status).toBe(0);
    expect(filled.stderr).toBe('warning: vm2: filled 2 of 6 steps, from 2026-01-07T09:00Z (30 min)\n');
    const refused = await predict(gappy, '--max-gap', '29');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('since a gap of 2 steps that ends before 2026-01-07T09:30Z');
  });

  it("is labelled when it is the bundle's simulated sample", async () => {
    const bundle = bundleWithHistory(folder, GOOD);
    const path = join(bundle, 'history.csv');
    const table = await tft(['predict', path, '--model', bundle]);
    expect(table.stdout).toContain('Simulated data');
    const json = await tft(['predict', path, '--model', bundle, '--json']);
    expect(JSON.parse(json.stdout).simulated).toBe(true);
    const csv = await tft(['predict', path, '--model', bundle, '--csv']);
    expect(csv.stderr).toContain('simulated data');
    const plot = join(folder, 'simulated.svg');
    await tft(['predict', path, '--model', bundle, '--plot', plot]);
    expect(readFileSync(plot, 'utf8')).toContain('Simulated data');
    expect((await predict(GOOD)).stdout).not.toContain('Simulated');
  });

  it('has columns of another system with --map', async () => {
    const map = file(
      'map.json',
      JSON.stringify({
        schemaVersion: 1,
        timestamp: 't',
        server_name: 'host',
        profile: { constant: 'web_api' },
        status: { constant: 'healthy' },
        metrics: {
          cpu_user_pct: { sum: [[100], [-1, 'idle']] },
          net_in_mb_s: { column: 'kb', scale: 0.001 },
          load_average: { constant: 2 },
        },
      }),
    );
    const rows = Array.from({ length: 8 }, (_, step) => {
      const time = new Date(T0 + step * STEP).toISOString();
      return `vm2,${time},${100 - step},500,whatever\n`;
    });
    const { stdout, status } = await predict(
      `host,t,idle,kb,other\n${rows.join('')}`,
      '--map',
      map,
      '--json',
    );
    expect(status).toBe(0);
    const { forecasts } = JSON.parse(stdout);
    expect(forecasts[0].values).toEqual(expectedValues([2, 3, 4, 5, 6, 7], [10, 10, 10, 10]));
  });
});

describe('one server too short among good ones', () => {
  const mixed = GOOD + lines('young', 4, 7);

  it('is named with the reason, the others are forecast, and the exit status is 2', async () => {
    const { status, stdout, stderr } = await predict(mixed);
    expect(status).toBe(2);
    expect(stdout).toContain('vm10');
    expect(stdout).not.toContain('young');
    expect(stderr).toBe(
      'refused: young: has 4 steps (1 h) of history, from 2026-01-07T09:00Z to 2026-01-07T09:45Z; ' +
        '6 steps (1.5 h) are needed (ERR_TFT_HISTORY_SHORT)\n',
    );
  });

  it('is in the JSON', async () => {
    const { forecasts, refused } = JSON.parse((await predict(mixed, '--json')).stdout);
    expect(forecasts).toHaveLength(2);
    expect(refused).toMatchObject([{ server: 'young', code: 'ERR_TFT_HISTORY_SHORT' }]);
  });

  it('and no others: the exit status is 1', async () => {
    const { status, stdout, stderr } = await predict(HEADER + lines('young', 4, 7));
    expect(status).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain('tft: the one server was refused (ERR_TFT_HISTORY_SHORT)');
  });
});

describe("a user's mistake is one line with a code, exit status 1, and no stack trace", () => {
  const path = (name: string) => () => join(folder, name);
  it.concurrent.each<[string, string | Buffer, string, string]>([
    ['an empty file', '', 'is empty', 'ERR_TFT_HISTORY_EMPTY'],
    ['a header alone', HEADER, 'has a header but no rows', 'ERR_TFT_HISTORY_EMPTY'],
    ['half a line', GOOD.slice(0, -30), 'line 17 has', 'ERR_TFT_HISTORY_VALUE'],
    ['wrong columns', GOOD.replace('load_average', 'load'), "'load_average'", 'ERR_TFT_HISTORY_COLUMN'],
    [
      'text in a number',
      GOOD + line('vm2', 8, 'high'),
      "line 18, column cpu_user_pct: 'high'",
      'ERR_TFT_HISTORY_VALUE',
    ],
    [
      'a bad time',
      GOOD.replace('2026-01-07T08:15Z', 'quarter past 8'),
      'line 3, column timestamp',
      'ERR_TFT_HISTORY_VALUE',
    ],
    ['a zip file', Buffer.from([0x50, 0x4b, 3, 4, 0, 0xff]), 'is not text in UTF-8', 'ERR_TFT_FILE'],
    ['gzip cut off', gzipSync(GOOD).subarray(0, 80), 'the gzip data ends early', 'ERR_TFT_FILE'],
  ])('%s', async (_name, content, message, code) => {
    const { status, stdout, stderr } = await predict(content);
    expect(stderr).toMatch(/^tft: [^\n]+\n$/);
    expect(stderr).toContain(message);
    expect(stderr.endsWith(`(${code})\n`)).toBe(true);
    expect(stdout).toBe('');
    expect(status).toBe(1);
  });

  it.concurrent.each<[string, string[], string]>([
    ['no such file', ['predict', '/nowhere/history.csv'], 'there is no such file (ERR_TFT_FILE)'],
    ['a folder', ['predict', tmpdir()], 'it is a folder (ERR_TFT_FILE)'],
    [
      'no such model',
      ['predict', '-', '--model', '/nowhere'],
      'no model at /nowhere (ERR_TFT_MODEL_NOT_FOUND)',
    ],
    ['no such map', ['predict', '-', '--map', '/nowhere.json'], 'there is no such file (ERR_TFT_FILE)'],
    [
      'a plot of another kind',
      ['predict', '-', '--plot', 'out.pdf'],
      "'out.pdf' is neither (ERR_TFT_OPTION)",
    ],
    [
      'a plot where none can be',
      ['predict', '-', '--plot', '/nowhere/out.svg'],
      'cannot write /nowhere/out.svg',
    ],
    [
      'a backend not in this build',
      ['predict', '-', '--backend', 'openvino'],
      'Allowed choices are auto, onnxruntime, tensorrt, libtorch.',
    ],
    ['no file', ['predict'], "missing required argument 'history'"],
    ['a bad time', ['predict', '-', '--at', 'noon'], 'It must be a time such as 2026-01-31T22:05Z'],
    ['a bad gap', ['predict', '-', '--max-gap', '-5'], 'It must be a number of minutes'],
    ['two formats', ['predict', '-', '--json', '--csv'], 'cannot be used with'],
    ['an unknown option', ['predict', '-', '--jsn'], 'Did you mean --json?'],
    ['an unknown command', ['predikt'], 'Did you mean predict?'],
  ])('%s', async (_name, args, message) => {
    const model = args.includes('--model') || args[0] !== 'predict' ? [] : ['--model', TINY];
    const { status, stderr } = await tft([...args, ...model], { input: GOOD });
    expect(stderr).toMatch(/^tft: /);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(status).toBe(1);
  });

  it('a damaged map', async () => {
    for (const [content, message] of [
      ['{', 'is not JSON'],
      ['{"schemaVersion": 1, "metrics": {"cpu_user_pct": {}}}', 'metrics.cpu_user_pct: needs exactly one of'],
    ] as const) {
      const { status, stderr } = await predict(GOOD, '--map', file('bad.json', content));
      expect(stderr).toContain(message);
      expect(stderr).toContain('(ERR_TFT_MAP_INVALID)');
      expect(status).toBe(1);
    }
  });

  it('with TFT_DEBUG=1 the stack follows', async () => {
    const { stderr } = await tft(['predict', path('none.csv')(), '--model', TINY], {
      env: { TFT_DEBUG: '1' },
    });
    expect(stderr).toMatch(/\n\s+at .*\.js/);
    expect(stderr).toContain('caused by Error: ENOENT');
  });
});

describe('duplicates and doubtful values', () => {
  it('are reported on standard error, and the forecasts are made', async () => {
    const content =
      GOOD + line('vm2', 7) + line('vm10', 7, 55) + line('vm10', 6).replace('web_api', 'blockchain');
    const { status, stderr } = await predict(content);
    expect(status).toBe(0);
    expect(stderr.split('\n').filter(Boolean).sort()).toEqual([
      'warning: different rows for the same server and time: 2 (first: vm10 at 2026-01-07T09:45Z); the last one is kept',
      "warning: profile 'blockchain' is unknown to the model (1 row); taken as 'unknown'",
      'warning: repeated rows: 1 (first: vm2 at 2026-01-07T09:45Z); one of each is kept',
    ]);
  });
});

describe('--plot', () => {
  it('draws SVG with a panel for every server and escaped names', async () => {
    const path = join(folder, 'out.svg');
    const { status, stderr } = await predict(GOOD.replaceAll('vm2', '<a&b>'), '--plot', path);
    expect(status).toBe(0);
    expect(stderr).toBe(`wrote ${path}\n`);
    const svg = readFileSync(path, 'utf8');
    expect(wellFormed(svg)).toBe(true);
    expect(svg.match(/class="panel"/g)).toHaveLength(2);
    expect(svg).toContain('&lt;a&amp;b&gt;');
    expect(svg).not.toContain('NaN');
  });

  it('draws PNG of the same size as the SVG at twice the resolution', async () => {
    const [png, svg] = ['out.png', 'out2.svg'].map((name) => join(folder, name)) as [string, string];
    await predict(GOOD, '--plot', svg);
    expect((await predict(GOOD, '--plot', png)).status).toBe(0);
    const bytes = readFileSync(png);
    expect(bytes.subarray(0, 8)).toEqual(Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]));
    const width = Number(/width="(\d+)"/.exec(readFileSync(svg, 'utf8'))?.[1]);
    expect(bytes.readUInt32BE(16)).toBe(2 * width);
  });

  it('draws at most --panels servers and says so', async () => {
    const path = join(folder, 'few.svg');
    const { stderr } = await predict(GOOD, '--plot', path, '--panels', '1');
    expect(stderr).toContain('with the first 1 of 2 servers');
    const svg = readFileSync(path, 'utf8');
    expect(svg.match(/class="panel"/g)).toHaveLength(1);
    expect(svg).toContain('1 of 2 servers');
  });

  it('draws a server whose values never change', async () => {
    const path = join(folder, 'flat.svg');
    const flat = HEADER + Array.from({ length: 6 }, (_, step) => line('still', step, 0)).join('');
    expect((await predict(flat, '--plot', path, '--chart')).status).toBe(0);
    expect(readFileSync(path, 'utf8')).not.toMatch(/NaN|Infinity/);
  });
});

/** Whether every element that is opened is closed in order, and nothing is left unescaped. */
function wellFormed(xml: string): boolean {
  const open: string[] = [];
  const rest = xml.replace(/<(\/?)([\w:-]+)(?:\s+[\w:-]+="[^"<]*")*\s*(\/?)>/g, (_, end, name, empty) => {
    if (end) return open.pop() === name ? '' : '<';
    if (!empty) open.push(name);
    return '';
  });
  return open.length === 0 && !/[<>]|&(?!(?:amp|lt|gt|quot);)/.test(rest);
}

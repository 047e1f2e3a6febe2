// The command that tests and measures on a GPU, run over the doubles: every step runs, and the report has all its figures,
// which mean nothing here.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { whatIsMissing } from '../fixtures/doubles.js';

const RUN = fileURLToPath(new URL('../../benchmarks/gpu/run.mjs', import.meta.url));

test.skipIf(whatIsMissing())(
  'benchmarks/gpu runs from start to end and makes a report',
  async () => {
    const out = mkdtempSync(join(tmpdir(), 'tft-gpu-run-'));
    const run = await promisify(execFile)(process.execPath, [RUN, out, '--doubles']).catch((error) => error);
    const log = readFileSync(join(out, 'log.txt'), 'utf8');
    expect(run.stdout, log).toContain('every step ran');
    const records = readFileSync(join(out, 'results.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string; name?: string });
    expect(records.filter(({ kind }) => kind === 'error')).toEqual([]);
    const kinds = new Set(records.map(({ kind }) => kind));
    for (const kind of ['machine', 'build', 'numbers', 'latency', 'throughput', 'bare', 'cold-start'])
      expect(kinds).toContain(kind);
    const report = readFileSync(join(out, 'report.md'), 'utf8');
    expect(report).toMatch(/\| fp32 \| 32 \| [\d.]+ \|/);
    expect(report).toContain('not measured'); // the peers, which need a GPU

    // A later run takes the plans, where it is the same machine and model.
    const again = join(out, 'again');
    const later = [RUN, again, '--doubles', '--work', join(out, 'work'), '--built', '--only', 'build,layers'];
    const taken = async () => {
      await promisify(execFile)(process.execPath, later).catch(() => {});
      return readFileSync(join(again, 'results.jsonl'), 'utf8');
    };
    const lines = await taken();
    expect(lines).toContain('"earlier":true');
    expect(lines).not.toContain('"kind":"error"');
    const notes = join(out, 'work', 'fp32.engine-notes.json');
    const noted = JSON.parse(readFileSync(notes, 'utf8'));
    writeFileSync(notes, JSON.stringify({ ...noted, fits: { ...noted.fits, tensorrt: '10.6.0.26' } }));
    expect(await taken()).toContain("the plan 'fp32' does not fit here: tensorrt 10.6.0.26, here 10.");
    rmSync(out, { recursive: true });
  },
  240_000,
);

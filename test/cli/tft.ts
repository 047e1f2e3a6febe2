// Starts the real command of the built package, and makes history files for it.
import { createHash } from 'node:crypto';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Ended, type RunSettings, runNode } from '../fixtures/programs.js';

/** The command's file, as package.json's `bin` names it. */
export const TFT = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));
export const TINY = fileURLToPath(new URL('../fixtures/tiny', import.meta.url));

export interface Outcome {
  status: Ended['code'];
  stdout: string;
  stderr: string;
}

/** What startProgress writes of work that takes over two seconds, as anything may on a busy machine. */
const PROGRESS = /^(?:building|forecasting|reading|replaying): \d+ %(?:, .*)?\n/gm;

/** Runs `tft` in a process of its own. `stderr` is without the lines of progress. */
export async function tft(args: readonly string[], { env, ...settings }: RunSettings = {}): Promise<Outcome> {
  const { FORCE_COLOR: _forced, NO_COLOR: _plain, TFT_DEBUG: _debug, ...inherited } = process.env;
  const { code, ...said } = await runNode([TFT, ...args], { ...settings, env: { ...inherited, ...env } });
  return { status: code, ...said, stderr: said.stderr.replace(PROGRESS, '') };
}

/** Columns of the bundle `tiny`, which has a step of 15 minutes, 6 steps of past and 4 ahead. */
export const HEADER = 'timestamp,server_name,profile,status,cpu_user_pct,net_in_mb_s,load_average\n';
export const STEP = 15 * 60_000;
/** A Wednesday. */
export const T0 = Date.UTC(2026, 0, 7, 8, 0);

/** One row; its CPU is its step's number. */
export function line(server: string, step: number, cpu: number | string = step): string {
  const time = `${new Date(T0 + step * STEP).toISOString().slice(0, 16)}Z`;
  return `${time},${server},web_api,healthy,${cpu},0.5,2\n`;
}

/** Rows of the steps `from` up to and including `to`. */
export function lines(server: string, from: number, to: number): string {
  return Array.from({ length: to - from + 1 }, (_, index) => line(server, from + index)).join('');
}

/** A copy of `tiny` with a sample history, said to be simulated. */
export function bundleWithHistory(folder: string, history: string): string {
  const bundle = join(folder, 'with-history');
  cpSync(TINY, bundle, { recursive: true });
  writeFileSync(join(bundle, 'history.csv'), history);
  editModel(bundle, (model) => {
    const sha256 = createHash('sha256').update(history).digest('hex');
    model.files.history = { path: 'history.csv', bytes: Buffer.byteLength(history), sha256, simulated: true };
  });
  return bundle;
}

interface EditableModel {
  files: Record<string, object>;
  samples: { spread: number; tolerance: number; monthTurn?: number[]; files: Record<string, object> };
}

/** Changes a bundle's model.json in place. */
export function editModel(bundle: string, edit: (model: EditableModel) => void): void {
  const path = join(bundle, 'model.json');
  const model = JSON.parse(readFileSync(path, 'utf8')) as EditableModel;
  edit(model);
  writeFileSync(path, JSON.stringify(model));
}

// The real command, `tft serve`, in a process of its own; with TFT_SERVER=cpp it is `tft-server`.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import { TFT } from '../cli/tft.js';
import { holdByFile } from '../fixtures/held-file.js';
import { readLog } from '../fixtures/tft-server.mjs';
import { isCpp, spawnCpp } from './cpp-server.js';
import { ask, comeToRest, until } from './running.js';

const all: Served[] = [];
/** What still serves must have come to rest, as running.ts asks of services inside the test. */
afterEach(async () => {
  for (const { child, log } of all.splice(0)) {
    const { address } = log.find(({ msg }) => msg === 'listening') ?? {};
    const isAlive = child.exitCode === null && child.signalCode === null;
    try {
      if (isAlive && typeof address === 'string') await comeToRest(address);
    } finally {
      child.kill('SIGKILL');
    }
  }
});

export interface Served {
  readonly child: ChildProcess;
  readonly log: Record<string, unknown>[];
  readonly ended: Promise<number | null>;
  says(message: string): Promise<Record<string, unknown>>;
  /** Holds what the process runs from now on. @returns a function that releases it. */
  hold(): Promise<() => void>;
}

/** Lets the parent hold what the process runs. */
const HOLD = fileURLToPath(new URL('../fixtures/hold-runs-on-message.mjs', import.meta.url));

/** Starts it on a free port; it is killed after the test. */
export function serve(args: readonly string[], env: NodeJS.ProcessEnv = {}): Served {
  const child = isCpp
    ? spawnCpp(['--port', '0', ...args], env)
    : spawn(process.execPath, ['--import', HOLD, TFT, 'serve', '--port', '0', ...args], {
        stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
        env: { ...process.env, ...env },
      });
  const log: Served['log'] = [];
  readLog(child, (line) => log.push(line));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const says = async (message: string) => {
    const find = () => log.find(({ msg }) => msg === message);
    await Promise.race([until(() => find() !== undefined), ended]);
    const line = find();
    if (line === undefined) throw new Error(`it ended without saying '${message}': ${JSON.stringify(log)}`);
    return line;
  };
  const hold = async () => {
    if (isCpp) return holdByFile();
    child.send('hold');
    await once(child, 'message');
    return () => void child.send('release');
  };
  const served: Served = { child, log, ended, says, hold };
  all.push(served);
  return served;
}

/** The value of a metric that has no labels. */
export async function metric(url: string, name: string): Promise<number> {
  const text = (await ask(`${url}/metrics`)).bytes.toString();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

// Starts servers in separate processes (this package's, the FastAPI peer and Triton) on a free port, waits until they are
// ready, and ends them by process id.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const root = process.cwd();
const PEERS = join(root, 'benchmarks/service/peers');
const START_MS = 120_000;

// Disables ONNX Runtime's telemetry, so that no side spends time on it.
process.env.ORT_DISABLE_TELEMETRY ??= '1';

/** The running processes, which are ended even if the benchmark fails. */
const alive = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** Options of our service: worker threads run ONNX Runtime, as where the addon is not. */
export const IN_WORKERS = ['--onnxruntime', JSON.stringify({ native: false })];

/** A server that is ready. */
export interface Running {
  readonly process: ChildProcess;
  readonly port: number;
  /** The URL of its metrics. */
  readonly metricsUrl: string;
  /** Its output so far. */
  output(): string;
  /** Ends it and waits until it has exited. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** A server that could not be started; the message contains its output. */
export class NotStarted extends Error {
  override readonly name = 'NotStarted';
}

/** Starts our service and waits until it is ready. @param flags options of `tft serve`, except the port. */
export async function startService(
  flags: readonly string[],
  { port, env = {} }: { port?: number; env?: NodeJS.ProcessEnv } = {},
): Promise<Running> {
  const server = launchService(flags, { port: port ?? (await freePort()), env });
  await untilReady(server, `http://127.0.0.1:${server.port}/v2/health/ready`);
  return server;
}

/** Starts our service without waiting until it is ready. */
export function launchService(
  flags: readonly string[],
  { port, env }: { port: number; env: NodeJS.ProcessEnv },
): Running {
  const program = [join(root, 'lib/cli/main.js'), 'serve', '--port', String(port), '--log-level', 'warn'];
  const server = start(process.execPath, [...program, ...flags], env);
  return running(server, port, `http://127.0.0.1:${port}/metrics`);
}

/** Starts the server in C++ and waits until it is ready. @param flags its options, except the port. */
export async function startCppServer(program: string, flags: readonly string[]): Promise<Running> {
  const port = await freePort();
  const server = start(program, ['--port', String(port), '--log-level', 'warn', ...flags], {});
  await untilReady(server, `http://127.0.0.1:${port}/v2/health/ready`);
  return running(server, port, `http://127.0.0.1:${port}/metrics`);
}

/** Starts the FastAPI peer with a bundle; its threads share a session's run or run separately. */
export async function startFastApi(
  bundle: string,
  threads: number,
  how: 'together' | 'apart',
): Promise<Running> {
  const port = await freePort();
  const server = startPeer('fastapi_service.py', [String(port), bundle, String(threads), how]);
  await untilReady(server, `http://127.0.0.1:${port}/ready`);
  return running(server, port, '');
}

/** Starts Triton with a model 'demo' that does nothing: with pytriton, or with the Python backend alone. */
export async function startTriton(kind: 'pytriton' | 'direct'): Promise<Running> {
  const [http, metrics, grpc] = [await freePort(), await freePort(), await freePort()];
  const folder = mkdtempSync(join(tmpdir(), 'tft-triton-'));
  const ports = [http, metrics, grpc].map(String);
  const server = startPeer(`triton_${kind}.py`, kind === 'direct' ? [...ports, folder] : ports);
  server.process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  await untilReady(server, `http://127.0.0.1:${http}/v2/models/demo/ready`);
  return running(server, http, `http://127.0.0.1:${metrics}/metrics`);
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid: number): number {
  const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}

/** A free port. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

interface Started {
  readonly process: ChildProcess;
  output(): string;
}

function startPeer(program: string, args: readonly string[]): Started {
  return start(join(PEERS, 'run'), ['python', join(PEERS, program), ...args], {});
}

function start(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Started {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-20_000);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  child.once('error', (error) => keep(Buffer.from(error.message)));
  alive.add(child);
  child.once('exit', () => alive.delete(child));
  return { process: child, output: () => output };
}

async function untilReady({ process: child, output }: Started, url: string): Promise<void> {
  const end = performance.now() + START_MS;
  while (performance.now() < end && child.exitCode === null && child.signalCode === null) {
    const answer = await fetch(url, { headers: { connection: 'close' } }).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.ok) return;
    await delay(50);
  }
  const { exitCode, signalCode } = child;
  child.kill('SIGKILL');
  const fate =
    exitCode === null && signalCode === null ? 'was not ready in time' : `ended (${exitCode ?? signalCode})`;
  throw new NotStarted(`${child.spawnargs.join(' ')} ${fate}:\n${output()}`);
}

function running({ process: child, output }: Started, port: number, metricsUrl: string): Running {
  return {
    process: child,
    port,
    metricsUrl,
    output,
    async stop(signal = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill(signal);
      const late = delay(15_000, undefined, { ref: false }).then(() => child.kill('SIGKILL'));
      await Promise.race([gone, late]);
      await gone;
    },
  };
}

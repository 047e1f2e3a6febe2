// tft-server, the server in C++, in the place of the Node service: with TFT_SERVER=cpp the tests of test/service that hold
// for both run against it. `scripts/build-server --test` builds it.
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findOnnxRuntime } from '../../src/backends/onnxruntime/library.js';
import { heldWhile } from '../fixtures/held-file.js';
import { argumentsOf, connectionsOf, readLog } from '../fixtures/tft-server.mjs';

export const isCpp = process.env.TFT_SERVER === 'cpp';

const here = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const folder = process.env.TFT_SERVER_FOLDER ?? here('build/server/cpp/server');
export const cppProgram = join(folder, 'tft-server');
/** ONNX Runtime with runs that a test can hold. */
export const heldLibrary = join(folder, 'libtft_held_onnxruntime.so');

const absent = [cppProgram, heldLibrary].find((file) => !existsSync(file));
/** Why tft-server cannot be tested here; undefined when it can. */
export const whyNoCppServer = absent && `${absent} is missing (scripts/build-server --test)`;
if (isCpp && whyNoCppServer) throw new Error(whyNoCppServer);

/** ONNX Runtime itself, for the variable TFT_HELD_ONNXRUNTIME. */
export const realLibrary = () => join(findOnnxRuntime().binaries, 'libonnxruntime.so.1');

export function spawnCpp(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  stdio: StdioOptions = ['ignore', 'pipe', 'inherit'],
): ChildProcess {
  return spawn(cppProgram, ['--onnxruntime', heldLibrary, ...args], {
    stdio,
    env: { ...process.env, TFT_HELD_ONNXRUNTIME: realLibrary(), TFT_HELD_WHILE: heldWhile(), ...env },
  });
}

type Line = Record<string, unknown>;

/** What tests use of a service, of the process of tft-server. */
export class CppService {
  address = '';
  loaded: Promise<void>;
  readonly #child: ChildProcess;
  readonly #log: Line[];
  readonly #ended: Promise<number | null>;

  private constructor(child: ChildProcess, log: Line[]) {
    this.#child = child;
    this.#log = log;
    this.#ended = new Promise((resolve) => child.on('close', resolve));
    readLog(child, (line) => log.push(line));
    this.loaded = this.#says(['ready', 'the model cannot be loaded']).then(({ msg, reason }) => {
      if (msg !== 'ready') throw new Error(String(reason));
    });
    this.loaded.catch(() => {});
  }

  static async start(settings: Readonly<Record<string, unknown>>, log: Line[]): Promise<CppService> {
    const { args, env } = argumentsOf({ logLevel: 'debug', ...settings });
    const service = new CppService(spawnCpp(args, env), log);
    const { address } = await service.#says(['listening']);
    service.address = String(address);
    return service;
  }

  get connections(): number {
    return connectionsOf(this.#child);
  }

  async stop(): Promise<boolean> {
    this.#child.kill('SIGTERM');
    return (await this.#ended) === 0;
  }

  /** By SIGHUP, as operators do it. */
  async reload(): Promise<void> {
    const from = this.#log.length;
    this.#child.kill('SIGHUP');
    await this.#says(['the new model serves', 'reload failed; the old model stays'], from);
    const failure = this.#log.slice(from).find(({ level }) => level === 'error');
    if (failure) throw new Error(String(failure.reason));
  }

  async #says(messages: readonly string[], from = 0): Promise<Line> {
    const find = () => this.#log.slice(from).find(({ msg }) => messages.includes(String(msg)));
    let over = false;
    void this.#ended.then(() => {
      over = true;
    });
    while (find() === undefined && !over) await new Promise((resolve) => setTimeout(resolve, 2));
    const line = find();
    if (line === undefined)
      throw new Error(`tft-server ended without saying '${messages}': ${JSON.stringify(this.#log)}`);
    return line;
  }
}

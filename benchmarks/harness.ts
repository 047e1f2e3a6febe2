// Shared by the benchmarks: the bundle's sample windows, timing two sides in turns, and the report.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, release, type } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { readSamples } from '../src/entries/build.js';
import { type ForecastInputs, loadModel, type ModelDescription } from '../src/index.js';

/** The repository: benchmarks run from there. */
const root = process.cwd();

/** The options of a benchmark. */
export const options = parseArgs({
  options: {
    /** The bundle to run. */
    bundle: { type: 'string', default: join(root, 'models/demo') },
    /** A plan of the bundle to run instead, beside its model.json, if a benchmark takes one. */
    plan: { type: 'string' },
    /** How many servers, if a benchmark takes that. */
    servers: { type: 'string' },
    /** The seconds in which each server sends a record, if a benchmark takes that. */
    every: { type: 'string' },
    /** Seconds for each measurement. */
    seconds: { type: 'string', default: '4' },
    /** The long form, if a benchmark has one. */
    full: { type: 'boolean', default: false },
  },
}).values;
export const seconds = Number(options.seconds);

/** A bundle's sample windows, repeated if a batch needs more. */
export class Samples {
  readonly #inputs: ForecastInputs;
  readonly #count: number;

  private constructor(inputs: ForecastInputs, count: number) {
    this.#inputs = inputs;
    this.#count = count;
  }

  static async load(bundle: string): Promise<{ model: ModelDescription; samples: Samples }> {
    const model = await loadModel(bundle);
    const { inputs, count } = await readSamples(model);
    return { model, samples: new Samples(inputs, count) };
  }

  batch(size: number): ForecastInputs {
    const repeat = <T extends Float32Array | Int32Array>(array: T): T => {
      const width = array.length / this.#count;
      const batch = new (array.constructor as new (length: number) => T)(size * width);
      for (let server = 0; server < size; server++) {
        const from = (server % this.#count) * width;
        batch.set(array.subarray(from, from + width), server * width);
      }
      return batch;
    };
    return {
      encoderCont: repeat(this.#inputs.encoderCont),
      encoderCat: repeat(this.#inputs.encoderCat),
      decoderCont: repeat(this.#inputs.decoderCont),
      decoderCat: repeat(this.#inputs.decoderCat),
    };
  }
}

/** The value below which this share of the sorted numbers is. */
export function percentile(numbers: readonly number[], part: number): number {
  const sorted = Float64Array.from(numbers).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/**
 * Times sides in short turns, so that other load on the machine affects all alike.
 *
 * @returns milliseconds of each call.
 */
export async function inTurns<Side extends string>(
  sides: Readonly<Record<Side, () => unknown>>,
  turnMs = 250,
): Promise<Record<Side, number[]>> {
  const names = Object.keys(sides) as Side[];
  const times = Object.fromEntries(names.map((side) => [side, []])) as unknown as Record<Side, number[]>;
  for (const side of names) for (let i = 0; i < 3; i++) await sides[side]();
  const end = performance.now() + names.length * seconds * 1000;
  for (let turn = 0; performance.now() < end; turn++) {
    // The order alternates too.
    for (const side of turn % 2 === 0 ? names : names.toReversed()) {
      times[side].push(...(await timesOf(sides[side], turnMs)));
    }
  }
  return times;
}

/** Calls for some milliseconds, at least once. @returns milliseconds of each call. */
export async function timesOf(call: () => unknown, ms = 250): Promise<number[]> {
  const times: number[] = [];
  const until = performance.now() + ms;
  do {
    const start = performance.now();
    await call();
    times.push(performance.now() - start);
  } while (performance.now() < until);
  return times;
}

/** The largest difference from what is expected; NaN if there is one, or if nothing is expected. */
export function farthest(found: Float32Array, expected: ArrayLike<number>): number {
  return found.reduce((most, value, i) => Math.max(most, Math.abs(value - (expected[i] ?? Number.NaN))), 0);
}

/** A program in Python that answers each line with a line of JSON; its first line says its versions. */
export class PythonPeer {
  readonly #process: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #command: string;

  constructor(program: string, parameters: readonly string[]) {
    this.#command = [program, ...parameters].join(' ');
    this.#process = spawn(program, parameters, { stdio: ['pipe', 'pipe', 'ignore'] });
    if (this.#process.stdout === null) throw new Error('no pipe');
    this.#answers = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  async answer<T>(): Promise<T> {
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`the Python program has ended: ${this.#command}`);
    return JSON.parse(value) as T;
  }

  ask<T>(request: unknown): Promise<T> {
    this.#process.stdin?.write(`${JSON.stringify(request)}\n`);
    return this.answer<T>();
  }

  async stop(): Promise<void> {
    this.#process.stdin?.end();
    if (this.#process.exitCode === null) await once(this.#process, 'exit');
  }
}

/** One comparison. `ratio` is above 1 if our side is better. */
export interface Comparison {
  name: string;
  unit: string;
  ours: number;
  peer: number;
  ratio: number;
}

/** Compares two numbers; less is better. */
export function less(name: string, unit: string, ours: number, peer: number): Comparison {
  return { name, unit, ours, peer, ratio: peer / ours };
}

/** Compares two numbers; more is better. */
export function more(name: string, unit: string, ours: number, peer: number): Comparison {
  return { name, unit, ours, peer, ratio: ours / peer };
}

/**
 * Prints the comparisons and writes them to benchmarks/results.
 *
 * @param measured further measurements to store with the results.
 */
export function report(
  benchmark: string,
  question: string,
  comparisons: readonly Comparison[],
  measured: Readonly<Record<string, unknown>> = {},
): void {
  for (const { name, unit, ours, peer } of comparisons) {
    console.log(`${name}: ours ${format(ours)} ${unit}, peer ${format(peer)} ${unit}`);
  }
  for (const { name, ratio } of comparisons) console.log(`ratio ${name} ${format(ratio)}`);
  const processors = cpus();
  const machine = `${processors[0]?.model.trim() ?? process.arch}, ${processors.length} processors`;
  const folder = join(root, 'benchmarks/results');
  mkdirSync(folder, { recursive: true });
  const slug = machine.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  writeFileSync(
    join(folder, `${benchmark}.${slug}.json`),
    `${JSON.stringify(
      {
        benchmark,
        question,
        date: new Date().toISOString().slice(0, 10),
        machine,
        system: `${type()} ${release().split('-')[0]}`,
        versions: {
          'tft-tensorrt': ownVersion(),
          node: process.versions.node,
          onnxruntime: versionOf('onnxruntime-node/package.json'),
        },
        comparisons,
        ...measured,
      },
      undefined,
      2,
    )}\n`,
  );
}

function ownVersion(): string {
  return (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;
}

/** Undefined where the package is not installed, as on a GPU machine that runs plans. */
function versionOf(path: string): string | undefined {
  try {
    return (createRequire(import.meta.url)(path) as { version: string }).version;
  } catch {
    return undefined;
  }
}

function format(number: number): string {
  return number.toPrecision(3).replace(/e\+?/, 'e');
}

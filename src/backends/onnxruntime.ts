// The backend for any CPU: ONNX Runtime, outside the calling thread. A session that is lost is replaced when
// the next batch asks for it; one that is lost while starting fails that batch, so nothing restarts in a loop.
import { availableParallelism, cpus } from 'node:os';
import type { ModelDescription } from '../model.js';
import type { Slab } from '../slab.js';
import type { BackendInfo, Log, SlabRunner } from './backend.js';
import { findOnnxRuntime, type OnnxRuntimeLibrary } from './onnxruntime-library.js';
import { OnnxRuntimeSession } from './onnxruntime-session.js';

/**
 * The batch that is run by default. Processor time for one server falls by a tenth from one server to four and
 * no further up to 32; a larger batch would only keep others waiting longer.
 */
const PREFERRED_BATCH = 8;

/** The network's products are small: many threads would wait for each other more than compute. */
const MOST_THREADS = 8;

/** Runs a model's ONNX file on the CPU. */
export class OnnxRuntimeRunner implements SlabRunner {
  readonly info: BackendInfo;
  readonly preferredBatch = PREFERRED_BATCH;
  readonly #model: ModelDescription;
  readonly #library: OnnxRuntimeLibrary;
  readonly #log: Log;
  #session: OnnxRuntimeSession | undefined;

  private constructor(model: ModelDescription, library: OnnxRuntimeLibrary, threads: number, log: Log) {
    this.#model = model;
    this.#library = library;
    this.#log = log;
    this.info = {
      name: 'onnxruntime',
      device: `CPU (${cpus()[0]?.model.trim() || process.arch})`,
      versions: { onnxruntime: library.version },
      precision: 'fp32',
      threads,
    };
  }

  /**
   * Loads the model.
   *
   * @param threads how many compute; by default as many as the process may use, up to 8.
   * @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE, ERR_TFT_MODEL_INVALID.
   */
  static async load(
    model: ModelDescription,
    threads: number | undefined,
    log: Log,
  ): Promise<OnnxRuntimeRunner> {
    const runner = new OnnxRuntimeRunner(model, findOnnxRuntime(), threads ?? defaultThreads(), log);
    runner.#session = await runner.#start();
    return runner;
  }

  async run(slab: Slab, batch: number): Promise<Slab> {
    if (this.#session?.lost) {
      this.#log({ level: 'warn', message: `${this.#session.lost.message.split(';')[0]}; starting another` });
      this.#session = undefined;
    }
    this.#session ??= await this.#start();
    return this.#session.run(slab, batch);
  }

  async close(): Promise<void> {
    await this.#session?.close();
  }

  #start(): Promise<OnnxRuntimeSession> {
    return OnnxRuntimeSession.start(this.#model, {
      library: this.#library.directory,
      onnxPath: this.#model.onnxPath,
      threads: this.info.threads,
    });
  }
}

function defaultThreads(): number {
  return Math.min(availableParallelism(), MOST_THREADS);
}

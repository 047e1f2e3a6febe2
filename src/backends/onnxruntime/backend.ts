// The backend for any CPU: ONNX Runtime outside the calling thread, with one session for each computing thread. The
// network's matrices are small, and threads that share a run wait for each other: on two processors, two sessions of one
// thread make a third more forecasts than one session of two threads in batches of 32, and three times as many one by
// one.
//
// A session that dies is replaced when the next batch needs it. One that dies while starting fails that batch, so
// nothing restarts in a loop.
import type { BackendInfo, SlabRunner } from '../../batching/backend.js';
import type { Slab } from '../../batching/slab.js';
import type { Log } from '../../contract/log.js';
import type { ModelDescription } from '../../contract/model.js';
import { type ModelTensors, modelTensors } from '../../contract/tensors.js';
import { defaultLanes, processorName } from '../processor.js';
import { findOnnxRuntime, type OnnxRuntimeLibrary } from './library.js';
import { OnnxRuntimeSession } from './session.js';

/**
 * The default batch size. The processor time for each series falls by a sixth from a batch of one to a batch of eight, and
 * no further up to 32: a larger batch would only make others wait longer and take more memory.
 */
const PREFERRED_BATCH = 8;

/** A batch of four saves most of that time already, and with small batches the next one is ready sooner. */
const PREFERRED_GATHERED = 4;

/** One computing thread with one copy of the model. */
interface Lane {
  session: OnnxRuntimeSession | undefined;
  busy: boolean;
}

/** Runs a model's ONNX file on the CPU. */
export class OnnxRuntimeRunner implements SlabRunner {
  readonly info: BackendInfo;
  readonly preferredBatch = PREFERRED_BATCH;
  readonly preferredGathered = PREFERRED_GATHERED;
  readonly #model: ModelDescription;
  readonly #tensors: ModelTensors;
  readonly #library: OnnxRuntimeLibrary;
  readonly #log: Log;
  readonly #lanes: readonly Lane[];
  readonly #nice: number;

  private constructor(
    model: ModelDescription,
    library: OnnxRuntimeLibrary,
    threads: number,
    nice: number,
    log: Log,
  ) {
    this.#model = model;
    this.#tensors = modelTensors(model);
    this.#library = library;
    this.#log = log;
    this.#nice = nice;
    this.#lanes = Array.from({ length: threads }, () => ({ session: undefined, busy: false }));
    this.info = {
      name: 'onnxruntime',
      device: processorName(),
      versions: { onnxruntime: library.version },
      precision: 'fp32',
      threads,
    };
  }

  get lanes(): number {
    return this.#lanes.length;
  }

  /**
   * Loads the model.
   *
   * @param threads the number of computing threads, each with its own copy of the model; by default as many as the
   *   process may use, up to 8.
   * @param nice see {@link LoadOptions.nice}.
   * @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE, ERR_TFT_MODEL_INVALID.
   */
  static async load(
    model: ModelDescription,
    threads: number | undefined,
    nice: number,
    log: Log,
  ): Promise<OnnxRuntimeRunner> {
    const runner = new OnnxRuntimeRunner(model, findOnnxRuntime(), threads ?? defaultLanes(), nice, log);
    const started = await Promise.allSettled(
      runner.#lanes.map(async (lane) => {
        lane.session = await runner.#start();
      }),
    );
    const failure = started.find((one) => one.status === 'rejected');
    if (failure) {
      await runner.close();
      throw failure.reason;
    }
    return runner;
  }

  async run(slab: Slab, batch: number): Promise<Slab> {
    const lane = this.#lanes.find(({ busy }) => !busy);
    if (lane === undefined) throw new Error('there are more runs than lanes');
    lane.busy = true;
    try {
      if (lane.session?.lost) {
        this.#log({ level: 'warn', message: `${lane.session.lost.message.split(';')[0]}; starting another` });
        lane.session = undefined;
      }
      lane.session ??= await this.#start();
      return await lane.session.run(slab, batch);
    } finally {
      lane.busy = false;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map(({ session }) => session?.close()));
  }

  #start(): Promise<OnnxRuntimeSession> {
    return OnnxRuntimeSession.start(this.#model, {
      library: this.#library.directory,
      nice: this.#nice,
      onnxPath: this.#model.onnxPath,
      tensors: this.#tensors,
    });
  }
}

// The caller's side of one ONNX Runtime session: start, run, close, each awaited before the next. While one is awaited
// the host keeps the process alive; in between it does not, so a program that forgot to close its engine still ends.

import { Slab } from '../../batching/slab.js';
import { TFTError } from '../../contract/errors.js';
import type { ModelDescription } from '../../contract/model.js';
import { type FromSession, type SessionHost, startHost, type TensorInfo, type ToSession } from './host.js';

interface Exchange {
  resolve(message: FromSession): void;
  reject(error: TFTError): void;
}

/** A session whose model is loaded. */
export class OnnxRuntimeSession {
  readonly #host: SessionHost;
  readonly #gone: Promise<void>;
  #exchange: Exchange | undefined;
  #lost: TFTError | undefined;

  /** Set when the session's thread or process has ended: the error for every further run. */
  get lost(): TFTError | undefined {
    return this.#lost;
  }

  private constructor() {
    let ended = () => {};
    this.#gone = new Promise((resolve) => {
      ended = resolve;
    });
    this.#host = startHost({
      message: (message) => this.#settle((exchange) => exchange.resolve(message)),
      gone: (reason, cause) => {
        // If a requirement for starting is missing, the next attempt fails too.
        const cure = cureFor(cause);
        const lost =
          cure === undefined
            ? new TFTError(
                'ERR_TFT_BACKEND_LOST',
                `${reason}; the engine starts another, and the request may be sent again`,
                { cause },
              )
            : new TFTError('ERR_TFT_BACKEND_UNAVAILABLE', `${reason}: ${cure}`, { cause });
        this.#lost = lost;
        this.#settle((exchange) => exchange.reject(lost));
        ended();
      },
    });
  }

  /**
   * Starts a thread or process and loads the model there.
   *
   * @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE, ERR_TFT_MODEL_INVALID, ERR_TFT_BACKEND_LOST.
   */
  static async start(
    model: ModelDescription,
    options: Omit<Extract<ToSession, { kind: 'start' }>, 'kind'>,
  ): Promise<OnnxRuntimeSession> {
    const session = new OnnxRuntimeSession();
    const answer = await session.#ask(() => session.#host.send({ kind: 'start', ...options }));
    let problem: TFTError | undefined;
    if (answer.kind === 'ready') {
      problem = contradiction(model, answer.inputs, answer.outputs);
    } else if (answer.kind === 'failed' && answer.at === 'library') {
      problem = new TFTError(
        'ERR_TFT_BACKEND_UNAVAILABLE',
        `ONNX Runtime at ${options.library} does not load: ${answer.message}`,
      );
    } else if (answer.kind !== 'done') {
      problem = new TFTError(
        'ERR_TFT_MODEL_INVALID',
        `ONNX Runtime cannot load ${options.onnxPath}: ${answer.message}`,
      );
    }
    if (problem) {
      await session.close();
      throw problem;
    }
    return session;
  }

  /** Runs the first `batch` series of a slab; resolves with the slab that has the outputs. */
  async run(slab: Slab, batch: number): Promise<Slab> {
    const { tensors, capacity } = slab;
    let handedOver = false;
    const answer = await this.#ask(() => {
      handedOver = this.#host.sendSlab(slab, batch);
    });
    if (answer.kind !== 'done') {
      const message = 'message' in answer ? answer.message : `unexpected answer '${answer.kind}'`;
      throw new TFTError('ERR_TFT_RUN', `ONNX Runtime could not run the model: ${message}`);
    }
    if (handedOver) return new Slab(tensors, capacity, answer.outputs[0]?.buffer as ArrayBuffer);
    for (const [index, values] of answer.outputs.entries()) slab.outputs[index]?.set(values);
    return slab;
  }

  /** Frees the model and ends the thread or process. */
  async close(): Promise<void> {
    if (this.#lost) return;
    this.#host.hold(true);
    this.#host.send({ kind: 'close' });
    await this.#gone;
  }

  #ask(send: () => void): Promise<FromSession> {
    return new Promise((resolve, reject) => {
      if (this.#lost) {
        reject(this.#lost);
        return;
      }
      this.#exchange = { resolve, reject };
      this.#host.hold(true);
      send();
    });
  }

  #settle(how: (exchange: Exchange) => void): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#host.hold(false);
    if (exchange) how(exchange);
  }
}

/** What to do about a thread or process that cannot start; undefined if another attempt may succeed. */
function cureFor(cause: unknown): string | undefined {
  const { code, message } = (cause ?? {}) as NodeJS.ErrnoException;
  if (message?.includes('uv_cwd')) {
    return 'the folder that this program was started in has been deleted; start it in one that exists';
  }
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') {
    return 'a file of tft-tensorrt is missing; install it again, and declare it external if you use a bundler';
  }
  return undefined;
}

/** The differences between the ONNX file's tensors and those of model.json; undefined if there are none. */
function contradiction(
  model: ModelDescription,
  inputs: readonly TensorInfo[],
  outputs: readonly TensorInfo[],
): TFTError | undefined {
  const found = new Map([...inputs, ...outputs].map((tensor) => [tensor.name, show(tensor)]));
  const problems = [...model.inputs, ...model.outputs].flatMap((tensor) => {
    const expected = show(tensor);
    const actual = found.get(tensor.name) ?? 'missing';
    return actual === expected ? [] : [`${tensor.name} is ${actual}, model.json says ${expected}`];
  });
  const surplus = inputs.filter((tensor) => !model.inputs.some(({ name }) => name === tensor.name));
  problems.push(...surplus.map((tensor) => `${tensor.name} is an input that model.json does not know`));
  if (problems.length === 0) return undefined;
  return new TFTError('ERR_TFT_MODEL_INVALID', `${model.onnxPath}: ${problems.join('; ')}`);
}

/** Type and shape. The first dimension is the batch, whose symbol may have any name. */
function show({ type, shape }: TensorInfo): string {
  return `${type} [batch${typeof shape[0] === 'number' ? ` fixed at ${shape[0]}` : ''}, ${shape.slice(1).join(', ')}]`;
}

// Runs an ONNX Runtime session for onnxruntime-host.ts, in a worker thread or in a process of its own: one
// batch at a time, each a native call that blocks this thread and no other.
import { createRequire } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type { InferenceSession } from 'onnxruntime-common';
import { guarded } from './exit-guard.js';
import type { FromSession, RunMessage, RunnerData, TensorInfo, ToSession } from './host.js';

type Runtime = typeof import('onnxruntime-common');
type Start = Extract<ToSession, { kind: 'start' }>;

const guard = parentPort ? (workerData as RunnerData).guard : undefined;
let runtime: Runtime;
let session: InferenceSession;
/** Steps and channels of each tensor, once the session is there. */
let sizes: Map<string, readonly number[]> | undefined;

async function receive(message: ToSession): Promise<void> {
  if (message.kind === 'run') await run(message);
  else if (message.kind === 'start') await start(message);
  else await close();
}

async function start({ library, onnxPath }: Start): Promise<void> {
  try {
    runtime = await guarded(guard, async () => createRequire(import.meta.url)(library) as Runtime);
    // What ONNX Runtime warns of (a graph it could fold no further, a device it did not find) helps no user.
    runtime.env.logLevel = 'error';
  } catch (error) {
    return reply({ kind: 'failed', at: 'library', message: messageOf(error) });
  }
  try {
    session = await guarded(guard, () =>
      runtime.InferenceSession.create(onnxPath, {
        executionProviders: ['cpu'],
        intraOpNumThreads: 1,
        interOpNumThreads: 1,
      }),
    );
  } catch (error) {
    return reply({ kind: 'failed', at: 'model', message: messageOf(error) });
  }
  const inputs = session.inputMetadata.map(info);
  const outputs = session.outputMetadata.map(info);
  sizes = new Map([...inputs, ...outputs].map(({ name, shape }) => [name, shape.slice(1) as number[]]));
  reply({ kind: 'ready', inputs, outputs });
}

function info(value: InferenceSession.ValueMetadata): TensorInfo {
  return value.isTensor
    ? { name: value.name, type: value.type, shape: value.shape }
    : { name: value.name, type: 'not a tensor', shape: [] };
}

async function run(message: RunMessage): Promise<void> {
  const { batch, encoderCont, encoderCat, decoderCont, decoderCat, predictions } = message;
  try {
    const feeds = {
      encoder_cont: new runtime.Tensor('float32', encoderCont, shape('encoder_cont', batch)),
      encoder_cat: new runtime.Tensor('int32', encoderCat, shape('encoder_cat', batch)),
      decoder_cont: new runtime.Tensor('float32', decoderCont, shape('decoder_cont', batch)),
      decoder_cat: new runtime.Tensor('int32', decoderCat, shape('decoder_cat', batch)),
    };
    if (predictions) {
      const result = new runtime.Tensor('float32', predictions, shape('predictions', batch));
      await guarded(guard, () => session.run(feeds, { predictions: result }));
      reply({ kind: 'done', predictions });
    } else {
      const { predictions: result } = await guarded(guard, () => session.run(feeds));
      reply({ kind: 'done', predictions: result?.data as Float32Array<ArrayBuffer> });
    }
  } catch (error) {
    reply({ kind: 'error', message: messageOf(error) });
  }
}

function shape(name: string, batch: number): number[] {
  const [steps, channels] = sizes?.get(name) ?? [];
  return [batch, steps as number, channels as number];
}

async function close(): Promise<void> {
  // There is none where the model did not load.
  if (sizes) await guarded(guard, () => session.release());
  if (parentPort) parentPort.close();
  else process.disconnect();
}

function reply(message: FromSession): void {
  if (parentPort) {
    parentPort.postMessage(message, message.kind === 'done' ? [message.predictions.buffer] : []);
  } else {
    // Nobody is left to hear of a failure: the parent is gone.
    process.send?.(message, undefined, undefined, () => {});
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

if (parentPort) {
  parentPort.on('message', receive);
} else {
  process.on('message', receive);
  // The engine is gone: there is nobody left to work for.
  process.on('disconnect', () => process.exit());
}

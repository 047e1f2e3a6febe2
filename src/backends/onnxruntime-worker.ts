// Runs an ONNX Runtime session for onnxruntime-host.ts, in a worker thread or in a process of its own: one
// batch at a time, each a native call that blocks this thread and no other.
import { createRequire } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type { InferenceSession, Tensor } from 'onnxruntime-common';
import { guarded } from './exit-guard.js';
import type { FromSession, RunMessage, RunnerData, TensorInfo, ToSession } from './onnxruntime-host.js';

type Runtime = typeof import('onnxruntime-common');
type Start = Extract<ToSession, { kind: 'start' }>;

const guard = parentPort ? (workerData as RunnerData).guard : undefined;
let runtime: Runtime;
let session: InferenceSession;

async function receive(message: ToSession): Promise<void> {
  if (message.kind === 'run') await run(message);
  else if (message.kind === 'start') await start(message);
  else await close();
}

async function start({ library, onnxPath, threads }: Start): Promise<void> {
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
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
      }),
    );
  } catch (error) {
    return reply({ kind: 'failed', at: 'model', message: messageOf(error) });
  }
  reply({
    kind: 'ready',
    inputs: session.inputMetadata.map(info),
    outputs: session.outputMetadata.map(info),
  });
}

function info(value: InferenceSession.ValueMetadata): TensorInfo {
  return value.isTensor
    ? { name: value.name, type: value.type, shape: value.shape }
    : { name: value.name, type: 'not a tensor', shape: [] };
}

async function run(message: RunMessage): Promise<void> {
  const { encoderCont, encoderCat, decoderCont, decoderCat, predictions } = message;
  try {
    const feeds = {
      encoder_cont: tensor('encoder_cont', encoderCont, message.batch),
      encoder_cat: tensor('encoder_cat', encoderCat, message.batch),
      decoder_cont: tensor('decoder_cont', decoderCont, message.batch),
      decoder_cat: tensor('decoder_cat', decoderCat, message.batch),
    };
    const fetches = predictions && { predictions: tensor('predictions', predictions, message.batch) };
    const result = await guarded(guard, () =>
      fetches ? session.run(feeds, fetches) : session.run(feeds, ['predictions']),
    );
    reply({
      kind: 'done',
      predictions: predictions ?? (result.predictions?.data as Float32Array<ArrayBuffer>),
    });
  } catch (error) {
    reply({ kind: 'error', message: messageOf(error) });
  }
}

function tensor(name: string, data: Float32Array | Int32Array, batch: number): Tensor {
  const declared = [...session.inputMetadata, ...session.outputMetadata].find((value) => value.name === name);
  const [, ...sizes] = declared?.isTensor ? (declared.shape as number[]) : [];
  const dimensions = [batch, ...sizes];
  return data instanceof Float32Array
    ? new runtime.Tensor('float32', data, dimensions)
    : new runtime.Tensor('int32', data, dimensions);
}

async function close(): Promise<void> {
  await guarded(guard, () => session.release());
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

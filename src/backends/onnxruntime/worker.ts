// Runs an ONNX Runtime session for host.ts in a worker thread or a child process: one batch at a time, each in a native
// call that blocks this thread only.
import { getPriority, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-common';
import { ownRequire } from '../../contract/own-package.js';
import type { ModelTensors, TensorSpec, Values } from '../../contract/tensors.js';
import { guarded } from './exit-guard.js';
import type { FromSession, RunMessage, RunnerData, TensorInfo, ToParent, ToSession } from './host.js';

/** Linux's lowest priority. */
const LOWEST = 19;

type Runtime = typeof import('onnxruntime-common');
type Start = Extract<ToSession, { kind: 'start' }>;

const guard = parentPort ? (workerData as RunnerData).guard : undefined;
let runtime: Runtime;
let session: InferenceSession | undefined;
let tensors: ModelTensors;

async function receive(message: ToSession): Promise<void> {
  if (message.kind === 'run') await run(message);
  else if (message.kind === 'start') await start(message);
  else await close();
}

async function start({ library, onnxPath, nice, ...start }: Start): Promise<void> {
  tensors = start.tensors;
  try {
    runtime = await guarded(guard, async () => ownRequire()(library) as Runtime);
    // ONNX Runtime's warnings (a graph that it cannot fold further, a device that it cannot find) help no user.
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
  // Not before: on a busy machine loading would take long.
  yieldToCaller(nice);
  const { inputMetadata, outputMetadata } = session;
  reply({ kind: 'ready', inputs: inputMetadata.map(info), outputs: outputMetadata.map(info) });
}

function info(value: InferenceSession.ValueMetadata): TensorInfo {
  return value.isTensor
    ? { name: value.name, type: value.type, shape: value.shape }
    : { name: value.name, type: 'not a tensor', shape: [] };
}

async function run({ batch, inputs, outputs }: RunMessage): Promise<void> {
  try {
    const running = session as InferenceSession;
    const feeds = tensorsOf(tensors.inputs, batch, inputs);
    if (outputs) {
      const fetches = tensorsOf(tensors.outputs, batch, outputs);
      await guarded(guard, () => running.run(feeds, fetches));
      reply({ kind: 'done', outputs });
    } else {
      const names = tensors.outputs.map(({ name }) => name);
      const results = await guarded(guard, () => running.run(feeds, names));
      reply({ kind: 'done', outputs: names.map((name) => results[name]?.data as Values) });
    }
  } catch (error) {
    reply({ kind: 'error', message: messageOf(error) });
  }
}

function tensorsOf(
  specs: readonly TensorSpec[],
  batch: number,
  values: readonly Values[],
): Record<string, OnnxTensor> {
  const named: Record<string, OnnxTensor> = {};
  for (const [index, { name, type, steps, channels }] of specs.entries()) {
    named[name] = new runtime.Tensor(type, values[index] as Values, [batch, steps, channels]);
  }
  return named;
}

async function close(): Promise<void> {
  // There is no session if the model did not load.
  const loaded = session;
  if (loaded) await guarded(guard, () => loaded.release());
  if (parentPort) parentPort.close();
  else process.disconnect();
}

function reply(message: FromSession): void {
  if (parentPort) {
    parentPort.postMessage(
      message,
      message.kind === 'done' ? [message.outputs[0]?.buffer as ArrayBuffer] : [],
    );
  } else {
    // A failure to send means that the parent has exited, so it cannot be reported.
    process.send?.(message, undefined, undefined, () => {});
  }
}

/** To Linux each thread has a priority of its own; elsewhere this would change the whole process. */
function yieldToCaller(nice: number): void {
  if (nice === 0 || process.platform !== 'linux') return;
  try {
    setPriority(Math.min(LOWEST, getPriority() + nice));
  } catch {
    // A sandbox may forbid it.
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

if (parentPort) {
  parentPort.on('message', receive);
} else {
  process.on('message', receive);
  process.send?.({ kind: 'here' } satisfies ToParent, undefined, undefined, () => {});
  // The engine's process has exited or closed the channel.
  process.on('disconnect', () => process.exit());
}

// The measurement on a GPU: TensorRT runs made-up inputs, and its times are read back.
import { TFTError } from '../../contract/errors.js';
import type { Log } from '../../index.js';
import type { NativeMeasured, NativeMeasureOptions } from '../../native/addon.js';
import { fromNative } from '../../native/errors.js';
import { loadAddon } from '../../native/load-addon.js';
import { receiver } from '../../native/receiver.js';
import type { Measurement, Sample } from './measurement.js';

/** The numbers of each run; see NativeMeasured.samples. */
const COLUMNS = 7;

/** @throws TFTError as loading and running a plan do; ERR_TFT_ABORTED. */
export async function measureOnGpu(
  options: NativeMeasureOptions,
  log: Log,
  signal: AbortSignal,
): Promise<Measurement & { graph: boolean }> {
  if (signal.aborted) throw stopped(signal);
  const measurement = loadAddon().measure(options, receiver(log));
  const cancel = () => measurement.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const measured = await measurement.result;
    const { batch, wallMs, graph, layers } = measured;
    const samples = samplesOf(measured, options.dataTransfers !== false);
    return { batch, wallMs, graph, samples, ...(layers ? { layers } : {}) };
  } catch (error) {
    throw signal.aborted ? stopped(signal) : fromNative(error);
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

function samplesOf({ samples }: NativeMeasured, transfers: boolean): Sample[] {
  const list: Sample[] = [];
  for (let at = 0; at + COLUMNS <= samples.length; at += COLUMNS) {
    const [start, enqueue, h2d, compute, d2h, latency, end] = samples.subarray(
      at,
      at + COLUMNS,
    ) as unknown as [
      start: number,
      enqueue: number,
      h2d: number,
      compute: number,
      d2h: number,
      latency: number,
      end: number,
    ];
    list.push({ start, end, latency, enqueue, compute, ...(transfers ? { h2d, d2h } : {}) });
  }
  return list;
}

function stopped(signal: AbortSignal): TFTError {
  return new TFTError('ERR_TFT_ABORTED', 'the measurement was called off', { cause: signal.reason });
}

// Measures an engine on a GPU: TensorRT runs generated inputs, and each run's times are returned.
import { TFTError } from '../contract/errors.js';
import type { Log } from '../contract/log.js';
import type { NativeMeasured, NativeMeasureOptions } from '../native/addon.js';
import { fromNative } from '../native/errors.js';
import { loadAddon } from '../native/load-addon.js';
import { receiver } from '../native/receiver.js';

/** The times of one run in milliseconds. Times that only a GPU has are missing on a CPU. */
export interface MeasuredRun {
  /** Since the first run's start. */
  readonly start: number;
  readonly end: number;
  readonly latency: number;
  readonly enqueue?: number;
  readonly h2d?: number;
  readonly compute?: number;
  readonly d2h?: number;
}

/** Repeated runs of one batch. */
export interface EngineMeasurement {
  readonly batch: number;
  readonly wallMs: number;
  readonly samples: readonly MeasuredRun[];
  readonly layers?: readonly { readonly name: string; readonly averageMs: number; readonly calls: number }[];
}

/** The number of values of each run; see NativeMeasured.samples. */
const COLUMNS = 7;

/** @throws TFTError as loading and running a plan do; ERR_TFT_ABORTED. */
export async function measureEngine(
  options: NativeMeasureOptions,
  log: Log,
  signal: AbortSignal,
): Promise<EngineMeasurement & { readonly graph: boolean }> {
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

function samplesOf({ samples }: NativeMeasured, transfers: boolean): MeasuredRun[] {
  const list: MeasuredRun[] = [];
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
  return new TFTError('ERR_TFT_ABORTED', 'the measurement was cancelled', { cause: signal.reason });
}

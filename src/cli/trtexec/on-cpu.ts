// Measures on a CPU: forecasts with the engine that a service would use there.
import { emptyInputs, TFTEngine } from '../../index.js';
import { describeEngine } from '../present/engine-line.js';
import type { Measurement, Sample } from './measurement.js';

export interface CpuMeasureOptions {
  readonly onnx: string;
  readonly batch: number;
  readonly streams: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly iterations: number;
  readonly signal: AbortSignal;
  readonly say: (line: string) => Promise<void>;
}

/** @throws TFTError as `TFTEngine.load` and `predict`. */
export async function measureOnCpu(options: CpuMeasureOptions): Promise<Measurement> {
  const { onnx, batch, streams, warmUpMs, durationMs, iterations, signal, say } = options;
  await using engine = await TFTEngine.load(onnx, {
    backend: 'onnxruntime',
    maxBatch: batch,
    verifyHash: false,
  });
  await say(describeEngine(engine.info));
  const inputs = emptyInputs(engine.model, batch);
  inputs.encoderCont.fill(1);
  /** Runs as many forecasts in parallel as there are streams, until both minima are reached. */
  const runFor = async (least: number, fewest: number): Promise<Sample[]> => {
    const samples: Sample[] = [];
    const begin = performance.now();
    let started = 0;
    const stream = async () => {
      while (performance.now() - begin < least || started < fewest) {
        started++;
        const start = performance.now();
        await engine.predict(inputs, { signal });
        const end = performance.now();
        samples.push({ start: start - begin, end: end - begin, latency: end - start });
      }
    };
    await Promise.all(Array.from({ length: streams }, stream));
    return samples.sort((a, b) => a.start - b.start);
  };
  await runFor(warmUpMs, 1);
  const samples = await runFor(durationMs, iterations);
  return { batch, samples, wallMs: Math.max(...samples.map(({ end }) => end)) };
}

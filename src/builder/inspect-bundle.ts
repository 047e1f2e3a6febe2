// Inspects a bundle: its description, and the contents of its ONNX file.
import { z } from 'zod';
import { loadModel, type ModelDescription } from '../contract/model.js';
import { readOnnx } from './onnx-file.js';

const share = z.number().nullable();
const evaluationSchema = z.object({
  sets: z.array(
    z.object({
      name: z.string(),
      windows: z.number(),
      machines: z.number(),
      won: z.number(),
      bestNaive: z.string(),
      forecasts: z.array(
        z.object({
          name: z.string(),
          pinball: z.number(),
          gain: share,
          interval: z.tuple([z.number(), z.number()]).nullable(),
          coverage80: share,
        }),
      ),
    }),
  ),
});

/** How good the forecasts were on recorded machines, set by set, as `tft-export evaluate --record` found; see docs/judging.md. */
export type BundleEvaluation = z.infer<typeof evaluationSchema>;

/** The result of inspecting a bundle. */
export interface BundleReport {
  readonly model: ModelDescription;
  /** Absent if the bundle was never judged. */
  readonly evaluation?: BundleEvaluation;
  readonly onnx: {
    readonly opset: number;
    readonly producer: string;
    readonly nodes: number;
    /** The number of nodes of each operator, the most frequent first. */
    readonly operators: Readonly<Record<string, number>>;
    /** The number of weights of each type. */
    readonly weights: Readonly<Record<string, number>>;
  };
}

/** @throws TFTError as `loadModel`; ERR_TFT_MODEL_INVALID if the ONNX file cannot be parsed. */
export async function inspectBundle(path: string): Promise<BundleReport> {
  const model = await loadModel(path);
  const { opset, producer, operators, weights } = await readOnnx(model.onnxPath);
  const judged = evaluationSchema.safeParse(model.training?.evaluation);
  const byCount = [...operators].sort((a, b) => b[1] - a[1]);
  return {
    model,
    ...(judged.success && { evaluation: judged.data }),
    onnx: {
      opset,
      producer,
      nodes: byCount.reduce((sum, [, count]) => sum + count, 0),
      operators: Object.fromEntries(byCount),
      weights: Object.fromEntries(weights),
    },
  };
}

// Inspects a bundle: its description, and the contents of its ONNX file.
import { loadModel, type ModelDescription } from '../contract/model.js';
import { readOnnx } from './onnx-file.js';

/** The result of inspecting a bundle. */
export interface BundleReport {
  readonly model: ModelDescription;
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
  const byCount = [...operators].sort((a, b) => b[1] - a[1]);
  return {
    model,
    onnx: {
      opset,
      producer,
      nodes: byCount.reduce((sum, [, count]) => sum + count, 0),
      operators: Object.fromEntries(byCount),
      weights: Object.fromEntries(weights),
    },
  };
}

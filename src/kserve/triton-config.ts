// The text of a model's config.pbtxt, as Triton's model repository expects it. Fields and types are those of
// https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto
import type { ModelTensors, TensorSpec } from '../contract/tensors.js';
import { wireTensor } from './wire.js';

/** Where Triton runs a model's instances; 'auto' is a GPU if there is one. */
export const INSTANCE_KINDS = ['auto', 'gpu', 'cpu'] as const;
export type InstanceKind = (typeof INSTANCE_KINDS)[number];

export interface TritonConfig {
  /** The model's name, which is its folder's too. */
  readonly name: string;
  /** The file in the version's folder. */
  readonly file: string;
  /** The largest number of series in one run. */
  readonly maxBatch: number;
  /** Copies of the model that run at once, on each device. */
  readonly instances: number;
  readonly kind: InstanceKind;
}

/** The configuration of an ONNX model with dynamic batching. */
export function tritonConfig(
  { name, file, maxBatch, instances, kind }: TritonConfig,
  { inputs, outputs }: ModelTensors,
): string {
  return `name: ${JSON.stringify(name)}
backend: "onnxruntime"
default_model_filename: ${JSON.stringify(file)}
max_batch_size: ${maxBatch}
${tensors('input', inputs)}
${tensors('output', outputs)}
dynamic_batching { }
instance_group [
  {
    count: ${instances}
    kind: KIND_${kind.toUpperCase()}
  }
]
`;
}

function tensors(field: 'input' | 'output', specs: readonly TensorSpec[]): string {
  return `${field} [\n${specs.map(tensor).join(',\n')}\n]`;
}

/** The batch is not among the dimensions: max_batch_size adds it. */
function tensor(spec: TensorSpec): string {
  const { name, datatype, shape } = wireTensor(spec);
  return `  {
    name: ${JSON.stringify(name)}
    data_type: TYPE_${datatype}
    dims: [ ${shape.slice(1).join(', ')} ]
  }`;
}

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
  /** Of a TensorRT plan instead of an ONNX file: the number of its optimisation profiles, all of which are used. */
  readonly profiles?: number | undefined;
}

/** The configuration of a model with dynamic batching, which is run once before it serves. */
export function tritonConfig(config: TritonConfig, { inputs, outputs }: ModelTensors): string {
  const { name, file, maxBatch, profiles } = config;
  return `name: ${JSON.stringify(name)}
backend: ${profiles === undefined ? '"onnxruntime"' : '"tensorrt"'}
default_model_filename: ${JSON.stringify(file)}
max_batch_size: ${maxBatch}
${tensors('input', inputs)}
${tensors('output', outputs)}
dynamic_batching { }
${instanceGroup(config)}
${profiles === undefined ? '' : 'optimization { cuda { graphs: true } }\n'}${warmup(inputs)}
`;
}

function instanceGroup({ instances, kind, profiles }: TritonConfig): string {
  const fields = [`count: ${instances}`, `kind: KIND_${kind.toUpperCase()}`];
  if (profiles !== undefined) {
    const names = Array.from({ length: profiles }, (_, profile) => JSON.stringify(String(profile)));
    fields.push(`profile: [ ${names.join(', ')} ]`);
  }
  return `instance_group [\n  {\n${fields.map((field) => `    ${field}`).join('\n')}\n  }\n]`;
}

/** One series of zeros. */
function warmup(inputs: readonly TensorSpec[]): string {
  const each = inputs.map((spec) => {
    const { name, type, dims } = fieldsOf(spec);
    return `      { key: ${name} value { data_type: ${type} dims: ${dims} zero_data: true } }`;
  });
  return `model_warmup [\n  {\n    name: "one series"\n    batch_size: 1\n    inputs [\n${each.join(',\n')}\n    ]\n  }\n]`;
}

function tensors(field: 'input' | 'output', specs: readonly TensorSpec[]): string {
  return `${field} [\n${specs.map(tensor).join(',\n')}\n]`;
}

function tensor(spec: TensorSpec): string {
  const { name, type, dims } = fieldsOf(spec);
  return `  {
    name: ${name}
    data_type: ${type}
    dims: ${dims}
  }`;
}

/** The batch is not among the dimensions: max_batch_size adds it. */
function fieldsOf(spec: TensorSpec): { name: string; type: string; dims: string } {
  const { name, datatype, shape } = wireTensor(spec);
  return { name: JSON.stringify(name), type: `TYPE_${datatype}`, dims: `[ ${shape.slice(1).join(', ')} ]` };
}

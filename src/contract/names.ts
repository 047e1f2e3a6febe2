// The fixed names of the contract, each defined here only: tensors, precisions, backends, kinds of files. Schemas, types,
// command-line choices and wire names are derived from these lists.
import { basename } from 'node:path';

/** The precisions that need a graph of their own in addition to the FP32 one. */
export const VARIANT_PRECISIONS = ['fp16', 'int8'] as const;
export const PRECISIONS = ['fp32', ...VARIANT_PRECISIONS] as const;
/** The arithmetic that a model runs in. */
export type Precision = (typeof PRECISIONS)[number];

/** The backends of this build. The last sends requests to a server. */
export const BACKENDS = ['onnxruntime', 'tensorrt', 'libtorch', 'kserve'] as const;
/** The name of a backend. */
export type BackendName = (typeof BACKENDS)[number];
/** The backends that run a model on this machine. */
export const LOCAL_BACKENDS = BACKENDS.filter((name) => name !== 'kserve');
/** The values of the option `backend`. */
export const BACKEND_CHOICES = ['auto', ...BACKENDS] as const;
/** Its values where a model is loaded on this machine. */
export const LOCAL_BACKEND_CHOICES = ['auto', ...LOCAL_BACKENDS] as const;

/**
 * The inputs that every model has, in order: the key in JavaScript; the name in model.json, in ONNX and on the wire; and
 * the fields of model.json that give the sizes. Further inputs in model.json come after these.
 */
export const INPUTS = [
  {
    key: 'encoderCont',
    name: 'encoder_cont',
    type: 'float32',
    steps: 'encoderLength',
    channels: 'metrics',
    meaning: 'the metrics of the past, raw units, the oldest step first',
  },
  {
    key: 'encoderCat',
    name: 'encoder_cat',
    type: 'int32',
    steps: 'encoderLength',
    channels: 'categories',
    meaning: 'codes of the categories in the past',
  },
  {
    key: 'decoderCont',
    name: 'decoder_cont',
    type: 'float32',
    steps: 'horizon',
    channels: 'known',
    meaning: 'the calendar of the future, in UTC',
  },
  {
    key: 'decoderCat',
    name: 'decoder_cat',
    type: 'int32',
    steps: 'horizon',
    channels: 'categories',
    meaning: 'codes of the categories in the future',
  },
] as const;

export type InputKey = (typeof INPUTS)[number]['key'];
export type InputName = (typeof INPUTS)[number]['name'];

/** The input of the numbers that a series keeps, of models that have such: `[batch, 1, statics]`. */
export const STATIC_INPUT = 'static_cont';

/**
 * The input that says how many of the encoder's last steps a series has, of models that take fewer than all: `[batch, 1, 1]`.
 * The steps before are not read.
 */
export const LENGTHS_INPUT = 'encoder_lengths';

/** The output that every model has: quantiles of the target. */
export const PREDICTIONS = {
  key: 'predictions',
  name: 'predictions',
  type: 'float32',
  steps: 'horizon',
  channels: 'quantiles',
} as const;

/** The element types of tensors, with their names in the KServe protocol. */
export const TENSOR_TYPES = { float32: 'FP32', int32: 'INT32' } as const;
export type TensorType = keyof typeof TENSOR_TYPES;

/** The features of the calendar that a model may know ahead, computed in UTC. */
export const KNOWN_FEATURES = ['hour', 'day_of_week', 'month', 'is_weekend'] as const;

/** The name of the description inside a bundle. */
export const MODEL_FILE = 'model.json';

/** The kinds of files that a model can be loaded from, with their extensions. */
export const FILE_KINDS = {
  onnx: ['.onnx'],
  plan: ['.engine', '.plan'],
  torchscript: ['.ts.pt'],
} as const;
export type FileKind = keyof typeof FILE_KINDS;

/** The kind of a file, by its name. */
export function fileKind(path: string): FileKind | undefined {
  const file = basename(path);
  return (Object.keys(FILE_KINDS) as FileKind[]).find((kind) =>
    FILE_KINDS[kind].some((extension) => file.endsWith(extension) && file !== extension),
  );
}

export function isPlan(path: string): boolean {
  return fileKind(path) === 'plan';
}

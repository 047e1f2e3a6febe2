// The tensors of one model as a list. Checks, batches, runtimes and wire protocols loop over it instead of naming tensors.
//
// It begins with those that every model has (names.ts), with sizes from the rest of model.json. The further tensors that
// model.json lists follow, in its order.
import type { ModelDescription } from './model.js';
import { INPUTS, PREDICTIONS, type TensorType } from './names.js';

/** The memory of a tensor: float32 or int32. */
export type Values = Float32Array | Int32Array;

/** One tensor of a model. */
export interface TensorSpec {
  /** The property of the inputs that holds it. */
  readonly key: string;
  /** Its name in model.json, in ONNX and on the wire. */
  readonly name: string;
  readonly type: TensorType;
  readonly steps: number;
  readonly channels: number;
  /** Values of one series: steps × channels. */
  readonly size: number;
}

/** The tensors of a model. */
export interface ModelTensors {
  readonly inputs: readonly TensorSpec[];
  /** The predictions first. */
  readonly outputs: readonly TensorSpec[];
}

/** The part of a model's description that the sizes of its inputs follow from. */
export type SizedModel = Pick<
  ModelDescription,
  'encoderLength' | 'horizon' | 'metrics' | 'categories' | 'known'
> &
  Partial<Pick<ModelDescription, 'inputs'>>;

/** The inputs of a model, in the order of the contract. */
export function inputTensors(model: SizedModel): TensorSpec[] {
  const common = INPUTS.map(({ key, name, type, ...sizes }) =>
    spec(key, name, type, model[sizes.steps], model[sizes.channels].length),
  );
  return [...common, ...beyond(model.inputs ?? [], common)];
}

/** All tensors of a model. */
export function modelTensors(model: ModelDescription): ModelTensors {
  const { key, name, type } = PREDICTIONS;
  const predictions = spec(key, name, type, model.horizon, model.quantiles.length);
  return {
    inputs: inputTensors(model),
    outputs: [predictions, ...beyond(model.outputs, [predictions])],
  };
}

/** The key of a tensor's name: staticCont for static_cont. */
export function keyOf(name: string): string {
  return name.replace(/[^a-zA-Z0-9]+([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** Memory for a tensor, for `series` series. */
export function emptyValues({ type, size }: TensorSpec, series: number): Values {
  return type === 'float32' ? new Float32Array(series * size) : new Int32Array(series * size);
}

/** A view of a tensor's memory. */
export function viewValues(
  { type }: TensorSpec,
  memory: ArrayBufferLike,
  byteOffset: number,
  length: number,
): Values {
  return type === 'float32'
    ? new Float32Array(memory, byteOffset, length)
    : new Int32Array(memory, byteOffset, length);
}

function beyond(listed: ModelDescription['inputs'], common: readonly TensorSpec[]): TensorSpec[] {
  return listed
    .filter(({ name }) => !common.some((tensor) => tensor.name === name))
    .map(({ name, type, shape: [, steps, channels] }) => spec(keyOf(name), name, type, steps, channels));
}

function spec(key: string, name: string, type: TensorType, steps: number, channels: number): TensorSpec {
  return { key, name, type, steps, channels, size: steps * channels };
}

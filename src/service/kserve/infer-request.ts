// Parses an inference request of the KServe v2 protocol, with Triton's binary tensor extension (src/kserve).
import { type ForecastInputs, inputsOf } from '../../contract/inputs.js';
import { TENSOR_TYPES } from '../../contract/names.js';
import type { TensorSpec, Values } from '../../contract/tensors.js';
import { bytesOf, integersOfBytes, isIntegerType } from '../../kserve/integers.js';
import { valuesOfBytes } from '../../kserve/wire.js';
import type { Holding } from '../admission/budget.js';
import { badBody, type HttpError, refusal } from '../http/http-error.js';
import { type Scanned, scanTensors } from '../http/json/tensor-scan.js';
import { fromNumbers } from '../http/tensors.js';
import type { ServedModel } from '../model-host.js';
import { asObject, type ForecastQuestion } from '../routes/forecast-request.js';

/** A parsed inference request. */
export interface InferQuestion extends ForecastQuestion {
  readonly id: string | undefined;
  /** What to answer with, in order. */
  readonly outputs: readonly AskedOutput[];
}

/** An output that a client asks for. */
export interface AskedOutput {
  readonly spec: TensorSpec;
  readonly isBinary: boolean;
}

const DATA: ReadonlySet<string> = new Set(['data']);
const MAX_ID_LENGTH = 512;

/**
 * @param header the number of bytes of JSON before the binary tensors; undefined if the whole body is JSON.
 * @param maxServers the largest number of series in one request.
 * @throws HttpError ERR_TFT_HTTP_BODY, ERR_TFT_INPUT_…, ERR_TFT_HTTP_UNSUPPORTED, ERR_TFT_HTTP_TOO_LARGE.
 */
export async function understandInfer(
  body: Buffer,
  model: ServedModel,
  header: number | undefined,
  maxServers: number,
  holding: Holding,
): Promise<InferQuestion> {
  if (header !== undefined && header > body.length) {
    throw badBody(
      `Inference-Header-Content-Length says ${header} bytes of JSON, but the body has ${body.length} bytes`,
    );
  }
  const json = header === undefined ? body : body.subarray(0, header);
  const rules = {
    keys: DATA,
    maxTensors: model.tensors.inputs.length,
    maxNumbers: maxServers * Math.max(...model.tensors.inputs.map(({ size }) => size)),
    expected: 'tensors with name, shape, datatype and data in inputs',
  };
  const scanned = await scanTensors(json, rules, holding);
  const request = asObject(scanned.rest, 'the request');
  const { id, parameters, inputs, outputs } = request;
  if (id !== undefined && (typeof id !== 'string' || id.length > MAX_ID_LENGTH)) {
    throw badBody(`id must be a string of at most ${MAX_ID_LENGTH} characters`);
  }
  const asked = parameters === undefined ? {} : asObject(parameters, 'parameters');
  return {
    inputs: readInputs(inputs, model, scanned, body.subarray(json.length)),
    id,
    outputs: readOutputs(outputs, asked, model.tensors.outputs),
    timeoutMs: timeoutOf(asked),
  };
}

function readInputs(list: unknown, model: ServedModel, scanned: Scanned, bytes: Buffer): ForecastInputs {
  if (!Array.isArray(list)) throw badBody('inputs must be an array of tensors');
  const found = new Map<string, Values>();
  let from = 0;
  for (const item of list.slice(0, model.tensors.inputs.length + 1)) {
    const tensor = asObject(item, 'an input');
    const spec = model.tensors.inputs.find(({ name }) => name === tensor.name);
    if (spec === undefined) {
      throw badBody(`input ${quote(tensor.name)} is unknown; ${namesOf(model)} are expected`);
    }
    if (found.has(spec.name)) throw badBody(`input '${spec.name}' is there twice`);
    const length = checkDeclaration(spec, tensor);
    const parameters = tensor.parameters === undefined ? {} : asObject(tensor.parameters, 'parameters');
    refuseSharedMemory(spec.name, parameters);
    const size = parameters.binary_data_size;
    if (size === undefined) {
      found.set(spec.name, fromJson(spec, tensor.data, scanned, length));
      continue;
    }
    const datatype = tensor.datatype;
    const isConverted = isIntegerType(datatype) && datatype !== TENSOR_TYPES[spec.type];
    const needed = length * (isConverted ? bytesOf(datatype) : 4);
    if (size !== needed) {
      throw badBody(
        `input '${spec.name}': binary_data_size is ${quote(size)}, but its shape needs ${needed} bytes`,
      );
    }
    if (tensor.data !== undefined) throw badBody(`input '${spec.name}' has both data and binary_data_size`);
    if (from + needed > bytes.length) {
      throw badBody(
        `input '${spec.name}' ends ${from + needed} bytes after the JSON, but there are only ${bytes.length}`,
      );
    }
    const part = bytes.subarray(from, from + needed);
    const refuse = (index: number, value: number | bigint) =>
      refusal('ERR_TFT_INPUT_CATEGORY', `${spec.name}[${index}] is ${value}, which INT32 cannot hold`);
    found.set(spec.name, isConverted ? integersOfBytes(datatype, part, refuse) : valuesOfBytes(spec, part));
    from += needed;
  }
  if (from !== bytes.length) {
    throw badBody(`${bytes.length - from} bytes after the JSON belong to no input`);
  }
  const get = (name: string): Values => {
    const values = found.get(name);
    if (values === undefined) throw badBody(`input '${name}' is missing; ${namesOf(model)} are expected`);
    return values;
  };
  return inputsOf(model.tensors.inputs.map((spec) => [spec, get(spec.name)]));
}

/** Checks datatype and shape, and returns the number of elements. */
function checkDeclaration(spec: TensorSpec, { datatype, shape }: Record<string, unknown>): number {
  const { name, steps, channels } = spec;
  const expected = TENSOR_TYPES[spec.type];
  // Whole numbers of another width are converted, as long as none is too large.
  if (datatype !== expected && !(spec.type === 'int32' && isIntegerType(datatype))) {
    throw badBody(`input '${name}': datatype is ${quote(datatype)}, ${expected} is expected`);
  }
  const [series, ...rest] = Array.isArray(shape) ? (shape as unknown[]) : [];
  const fits = rest.length === 2 && rest[0] === steps && rest[1] === channels;
  if (!fits || typeof series !== 'number' || !Number.isSafeInteger(series) || series < 1) {
    throw badBody(
      `input '${name}': shape is ${quote(shape)}, [series, ${steps}, ${channels}] with at least one series is expected`,
    );
  }
  return series * steps * channels;
}

function fromJson(spec: TensorSpec, place: unknown, { tensors }: Scanned, length: number): Values {
  const numbers = typeof place === 'number' ? tensors[place] : undefined;
  if (numbers === undefined) {
    throw badBody(`input '${spec.name}' has neither data nor the parameter binary_data_size`);
  }
  if (numbers.length !== length) {
    throw badBody(`input '${spec.name}' has ${numbers.length} numbers, but its shape needs ${length}`);
  }
  return fromNumbers(spec, numbers);
}

/** The outputs that the client asks for, each as bytes or as numbers; all of the model if it names none. */
function readOutputs(
  list: unknown,
  { binary_data_output: all }: Record<string, unknown>,
  known: readonly TensorSpec[],
): AskedOutput[] {
  if (all !== undefined && typeof all !== 'boolean')
    throw badBody('binary_data_output must be true or false');
  const byDefault = all ?? false;
  if (list !== undefined && !Array.isArray(list)) throw badBody('outputs must be an array');
  if (list === undefined || list.length === 0) return known.map((spec) => ({ spec, isBinary: byDefault }));
  const names = known.map(({ name }) => name).join(', ');
  if (list.length > known.length) {
    throw badBody(`${list.length} outputs are requested, the model has ${known.length}: ${names}`);
  }
  const asked: AskedOutput[] = [];
  for (const item of list) {
    const output = asObject(item, 'an output');
    const spec = known.find(({ name }) => name === output.name);
    if (spec === undefined) {
      throw badBody(`output ${quote(output.name)} is unknown; the model has ${names}`);
    }
    if (asked.some((other) => other.spec === spec)) throw badBody(`output '${spec.name}' is there twice`);
    const parameters = output.parameters === undefined ? {} : asObject(output.parameters, 'parameters');
    refuseSharedMemory(spec.name, parameters);
    if (parameters.classification !== undefined) {
      throw unsupported('classification is for outputs of classes; predictions are quantiles');
    }
    const { binary_data: binary } = parameters;
    if (binary !== undefined && typeof binary !== 'boolean')
      throw badBody('binary_data must be true or false');
    asked.push({ spec, isBinary: binary ?? byDefault });
  }
  return asked;
}

/** Triton's parameter timeout, in microseconds; 0 means none. */
function timeoutOf({ timeout }: Record<string, unknown>): number | undefined {
  if (timeout === undefined || timeout === 0) return undefined;
  if (typeof timeout === 'number' && Number.isSafeInteger(timeout) && timeout > 0) return timeout / 1000;
  throw badBody(`the parameter timeout is ${quote(timeout)}; whole microseconds are expected`);
}

function refuseSharedMemory(name: string, parameters: Record<string, unknown>): void {
  if ('shared_memory_region' in parameters) {
    throw unsupported(`'${name}': shared memory is not offered; send the tensor in the body`);
  }
}

function unsupported(message: string): HttpError {
  return refusal('ERR_TFT_HTTP_UNSUPPORTED', message);
}

function namesOf({ tensors }: ServedModel): string {
  return tensors.inputs.map(({ name }) => name).join(', ');
}

/** A client's value, shortened for a message. */
function quote(value: unknown): string {
  return (JSON.stringify(value) ?? 'missing').slice(0, 80);
}

// Reads the tensors, operators and weights of an ONNX file without running it. ONNX files are protocol buffers: only the
// few fields used here are decoded (field numbers from onnx.proto), the rest is skipped.
import { readFile } from 'node:fs/promises';
import { TFTError } from '../contract/errors.js';

/** An input or output. A dimension that varies is given by its name, or by '?'. */
export interface OnnxTensor {
  readonly name: string;
  /** 'float32', 'int32' …, or ONNX's number for a type that is not listed here. */
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

/** The contents of an ONNX file. */
export interface OnnxSummary {
  /** The version of the operator set. */
  readonly opset: number;
  readonly producer: string;
  readonly inputs: readonly OnnxTensor[];
  readonly outputs: readonly OnnxTensor[];
  /** The number of nodes of each operator, including those inside loops and branches. */
  readonly operators: ReadonlyMap<string, number>;
  /** The number of weights of each type. */
  readonly weights: ReadonlyMap<string, number>;
}

const TYPES: Readonly<Record<number, string>> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  6: 'int32',
  7: 'int64',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  16: 'bfloat16',
};

/** @throws TFTError ERR_TFT_MODEL_NOT_FOUND; ERR_TFT_MODEL_INVALID if it is not an ONNX file. */
export async function readOnnx(path: string): Promise<OnnxSummary> {
  const content = await contentOf(path);
  try {
    return summarize(content);
  } catch (cause) {
    throw notOnnx(path, cause);
  }
}

async function contentOf(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new TFTError('ERR_TFT_MODEL_NOT_FOUND', `${path} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function notOnnx(path: string, cause: unknown): TFTError {
  return new TFTError('ERR_TFT_MODEL_INVALID', `${path} is not an ONNX file: ${(cause as Error).message}`, {
    cause,
  });
}

/**
 * Which channels, the last dimension, of an input the graph reads.
 *
 * @returns their indices if each is picked by a constant; 'all' if the input is read in any other way.
 * @throws TFTError as {@link readOnnx}.
 */
export async function readChannels(path: string, input: string): Promise<readonly number[] | 'all'> {
  const content = await contentOf(path);
  try {
    return channelsOf(content, input);
  } catch (cause) {
    throw notOnnx(path, cause);
  }
}

function channelsOf(content: Buffer, input: string): readonly number[] | 'all' {
  const graph = [...fieldsOf(content)].find(({ field }) => field === 7);
  if (graph === undefined) throw new Error('it has no graph');
  const nodes: GraphNode[] = [];
  const constants = new Map<string, number | undefined>();
  for (const { field, value } of fieldsOf(bytes(graph.value))) {
    if (field === 1) nodes.push(nodeOf(bytes(value)));
    else if (field === 5) {
      const { name, single } = singleOf(bytes(value));
      constants.set(name, single);
    }
  }
  for (const { operator, outputs, constant } of nodes) {
    if (operator === 'Constant') constants.set(outputs[0] ?? '', constant);
  }
  const channels = new Set<number>();
  // The names that the whole input goes by.
  const names = [input];
  for (const name of names) {
    for (const { operator, inputs, outputs, axis } of nodes) {
      if (!inputs.includes(name)) continue;
      const channel = constants.get(inputs[1] ?? '');
      if (KEEPS_CHANNELS.has(operator)) names.push(...outputs);
      else if (
        operator === 'Gather' &&
        inputs[0] === name &&
        (axis === 2 || axis === -1) &&
        channel !== undefined
      )
        channels.add(channel);
      else if (operator !== 'Shape') return 'all';
    }
  }
  return [...channels].sort((a, b) => a - b);
}

/** Operators whose output has an input's channels in its last dimension, in the exporter's graphs. */
const KEEPS_CHANNELS: ReadonlySet<string> = new Set(['Cast', 'Identity', 'Transpose']);

interface GraphNode {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Its attribute 'axis'. */
  readonly axis: number;
  /** The one integer that a constant is. */
  readonly constant: number | undefined;
}

function nodeOf(node: Buffer): GraphNode {
  const [inputs, outputs]: [string[], string[]] = [[], []];
  let operator = '';
  let axis = 0;
  let constant: number | undefined;
  for (const { field, value } of fieldsOf(node)) {
    if (field === 1) inputs.push(text(value));
    else if (field === 2) outputs.push(text(value));
    else if (field === 4) operator = text(value);
    else if (field === 5) {
      let name = '';
      for (const part of fieldsOf(bytes(value))) {
        if (part.field === 1) name = text(part.value);
        else if (part.field === 3 && name === 'axis') axis = Number(BigInt.asIntN(64, part.value as bigint));
        else if (part.field === 5 && name === 'value') constant = singleOf(bytes(part.value)).single;
      }
    }
  }
  return { operator, inputs, outputs, axis, constant };
}

/** A tensor's name, and its value if it is a single integer. */
function singleOf(tensor: Buffer): { name: string; single: number | undefined } {
  let name = '';
  let count = 1;
  let type = '';
  let values: number[] = [];
  for (const { field, value } of fieldsOf(tensor)) {
    if (field === 1) for (const dim of numbersOf(value)) count *= dim;
    if (field === 2) type = typeOf(Number(value));
    if (field === 5 || field === 7) values = numbersOf(value);
    if (field === 8) name = text(value);
    if (field === 9 && bytes(value).length === (type === 'int64' ? 8 : 4)) {
      const raw = bytes(value);
      values = [type === 'int64' ? Number(raw.readBigInt64LE()) : raw.readInt32LE()];
    }
  }
  const isSingle = count === 1 && values.length === 1 && (type === 'int64' || type === 'int32');
  return { name, single: isSingle ? values[0] : undefined };
}

function summarize(content: Buffer): OnnxSummary {
  const producer: string[] = [];
  const operators = new Map<string, number>();
  const weights = new Map<string, number>();
  let opset = 0;
  let inputs: OnnxTensor[] = [];
  let outputs: OnnxTensor[] = [];
  let graphs = 0;
  for (const { field, value } of fieldsOf(content)) {
    if (field === 2 || field === 3) producer.push(text(value));
    if (field === 8) opset = Math.max(opset, opsetOf(bytes(value)));
    if (field === 7) {
      graphs++;
      const initialized = countGraph(bytes(value), operators, weights);
      const parts = [...fieldsOf(bytes(value))];
      const tensors = (wanted: number) =>
        parts.filter(({ field: part }) => part === wanted).map(({ value: part }) => tensorOf(bytes(part)));
      // Before IR version 4 weights were also listed as inputs.
      inputs = tensors(11).filter(({ name }) => !initialized.has(name));
      outputs = tensors(12);
    }
  }
  if (graphs !== 1) throw new Error('it has no graph');
  return { opset, producer: producer.join(' '), inputs, outputs, operators, weights };
}

/** Counts a graph's operators and weights, and those of the graphs in its nodes' attributes. */
function countGraph(
  graph: Buffer,
  operators: Map<string, number>,
  weights: Map<string, number>,
): Set<string> {
  const initialized = new Set<string>();
  for (const { field, value } of fieldsOf(graph)) {
    if (field === 1) {
      for (const part of fieldsOf(bytes(value))) {
        if (part.field === 4) add(operators, text(part.value), 1);
        if (part.field !== 5) continue;
        for (const inner of fieldsOf(bytes(part.value))) {
          if (inner.field === 6 || inner.field === 11) countGraph(bytes(inner.value), operators, weights);
        }
      }
    }
    if (field === 5) {
      let count = 1;
      let type = '';
      for (const part of fieldsOf(bytes(value))) {
        if (part.field === 1) for (const dim of numbersOf(part.value)) count *= dim;
        if (part.field === 2) type = typeOf(Number(part.value));
        if (part.field === 8) initialized.add(text(part.value));
      }
      add(weights, type, count);
    }
  }
  return initialized;
}

function tensorOf(info: Buffer): OnnxTensor {
  let name = '';
  let type = '';
  const shape: (number | string)[] = [];
  for (const { field, value } of fieldsOf(info)) {
    if (field === 1) name = text(value);
    if (field !== 2) continue;
    for (const kind of fieldsOf(bytes(value))) {
      if (kind.field !== 1) continue;
      for (const part of fieldsOf(bytes(kind.value))) {
        if (part.field === 1) type = typeOf(Number(part.value));
        if (part.field !== 2) continue;
        for (const dim of fieldsOf(bytes(part.value))) shape.push(dimensionOf(bytes(dim.value)));
      }
    }
  }
  return { name, type, shape };
}

function dimensionOf(dim: Buffer): number | string {
  for (const { field, value } of fieldsOf(dim)) {
    if (field === 1) return Number(value);
    if (field === 2) return text(value);
  }
  return '?';
}

function opsetOf(entry: Buffer): number {
  let version = 0;
  for (const { field, value } of fieldsOf(entry)) {
    if (field === 1 && text(value) !== '' && text(value) !== 'ai.onnx') return 0;
    if (field === 2) version = Number(value);
  }
  return version;
}

function typeOf(type: number): string {
  return TYPES[type] ?? `type ${type}`;
}

function add(counts: Map<string, number>, name: string, count: number): void {
  counts.set(name, (counts.get(name) ?? 0) + count);
}

interface Field {
  readonly field: number;
  /** A field's value: a number, or the bytes of a text or message. */
  readonly value: bigint | Buffer;
}

/** The fields of a message in protocol buffers' wire format. @throws an Error if the bytes are not in that format. */
function* fieldsOf(message: Buffer): Generator<Field> {
  let at = 0;
  const varint = (): bigint => {
    let result = 0n;
    for (let shift = 0n; shift < 64n; shift += 7n) {
      const byte = message[at++];
      if (byte === undefined) throw new Error('it ends in the middle');
      result |= BigInt(byte & 127) << shift;
      if (byte < 128) return result;
    }
    throw new Error('a number is too long');
  };
  const take = (length: number): Buffer => {
    if (length > message.length - at) throw new Error('it ends in the middle');
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = Number(varint());
    const [field, kind] = [tag >>> 3, tag & 7];
    if (field === 0) throw new Error('a field has no number');
    if (kind === 0) yield { field, value: varint() };
    else if (kind === 2) yield { field, value: take(Number(varint())) };
    else if (kind === 1 || kind === 5) take(kind === 1 ? 8 : 4);
    else throw new Error(`a field is of kind ${kind}`);
  }
}

/** Numbers that are packed or single. */
function numbersOf(value: bigint | Buffer): number[] {
  if (typeof value === 'bigint') return [Number(value)];
  const numbers: number[] = [];
  let [current, shift] = [0n, 0n];
  for (const byte of value) {
    // Without an end it would take time by the square of its length.
    if (shift > 63n) throw new Error('a number is too long');
    current |= BigInt(byte & 127) << shift;
    shift += 7n;
    if (byte < 128) {
      numbers.push(Number(current));
      [current, shift] = [0n, 0n];
    }
  }
  return numbers;
}

function bytes(value: bigint | Buffer): Buffer {
  if (typeof value === 'bigint') throw new Error('a number is where a message should be');
  return value;
}

function text(value: bigint | Buffer): string {
  return bytes(value).toString('utf8');
}

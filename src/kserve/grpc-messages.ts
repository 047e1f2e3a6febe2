// The messages of the KServe v2 inference protocol over gRPC, as protobuf writes them; only the fields that are used here.
// See https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol and, for ModelConfig, which is
// Triton's, https://github.com/triton-inference-server/common/tree/main/protobuf
import protobuf from 'protobufjs/minimal.js';
import type { TensorSpec, Values } from '../contract/tensors.js';
import { type AnsweredTensor, type InferMessage, takeOutputs, wrongAnswer } from './infer-message.js';
import { wireTensor } from './wire.js';

/** The methods, each a unary call. */
export const METHODS = {
  serverReady: '/inference.GRPCInferenceService/ServerReady',
  serverMetadata: '/inference.GRPCInferenceService/ServerMetadata',
  modelReady: '/inference.GRPCInferenceService/ModelReady',
  modelMetadata: '/inference.GRPCInferenceService/ModelMetadata',
  modelConfig: '/inference.GRPCInferenceService/ModelConfig',
  modelInfer: '/inference.GRPCInferenceService/ModelInfer',
} as const;

/** The numbers of the fields. */
const FIELD = {
  /** Of ModelReadyRequest, ModelMetadataRequest, ModelConfigRequest and ServerMetadataResponse. */
  named: { name: 1, version: 2 },
  /** Of ServerReadyResponse and ModelReadyResponse. */
  readiness: { ready: 1 },
  /** Of a tensor, in requests, responses and metadata alike. */
  tensor: { name: 1, datatype: 2, shape: 3 },
  metadata: { inputs: 4, outputs: 5 },
  configResponse: { config: 1 },
  config: { maxBatchSize: 4 },
  request: { model: 1, version: 2, parameters: 4, inputs: 5, outputs: 6, contents: 7 },
  parameter: { key: 1, value: 2, int64: 2 },
  response: { outputs: 5, contents: 6 },
} as const;

const WIRE = { varint: 0, bytes: 2 } as const;
/** A field's tag is its number, and in the lowest bits the type of its value. */
const WIRE_BITS = 3;

export function namedRequest(model: string, version: string | undefined): Uint8Array {
  const writer = protobuf.Writer.create();
  writer.uint32(bytesTag(FIELD.named.name)).string(model);
  if (version !== undefined) writer.uint32(bytesTag(FIELD.named.version)).string(version);
  return writer.finish();
}

/**
 * A request for forecasts.
 *
 * @param inputs the tensors of the message, in its order.
 * @param outputs those to ask for.
 */
export function inferRequest(
  { model, version }: { readonly model: string; readonly version: string | undefined },
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
  message: InferMessage,
): Uint8Array {
  const { request, parameter, tensor } = FIELD;
  const writer = protobuf.Writer.create();
  writer.uint32(bytesTag(request.model)).string(model);
  if (version !== undefined) writer.uint32(bytesTag(request.version)).string(version);
  if (message.timeoutMicroseconds !== undefined) {
    writer.uint32(bytesTag(request.parameters)).fork();
    writer.uint32(bytesTag(parameter.key)).string('timeout');
    writer.uint32(bytesTag(parameter.value)).fork();
    writer.uint32(varintTag(parameter.int64)).int64(message.timeoutMicroseconds).ldelim().ldelim();
  }
  for (const spec of inputs) {
    const { name, datatype, shape } = wireTensor(spec, message.series);
    writer.uint32(bytesTag(request.inputs)).fork();
    writer.uint32(bytesTag(tensor.name)).string(name).uint32(bytesTag(tensor.datatype)).string(datatype);
    writer.uint32(bytesTag(tensor.shape)).fork();
    for (const size of shape) writer.int64(size);
    writer.ldelim().ldelim();
  }
  for (const { name } of outputs) {
    writer.uint32(bytesTag(request.outputs)).fork();
    writer.uint32(bytesTag(tensor.name)).string(name).ldelim();
  }
  for (const { buffer, byteOffset, byteLength } of message.inputs) {
    writer.uint32(bytesTag(request.contents)).bytes(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return writer.finish();
}

/** The answer of serverReady and modelReady. @throws TFTError ERR_TFT_REMOTE_ANSWER, as all that read. */
export function readReady(bytes: Buffer): boolean {
  return numberIn(read(bytes), FIELD.readiness.ready) === 1;
}

/** The answer of serverMetadata. */
export function readServer(bytes: Buffer): { readonly name: string; readonly version: string } {
  const fields = read(bytes);
  return { name: textIn(fields, FIELD.named.name), version: textIn(fields, FIELD.named.version) };
}

/** The answer of modelMetadata, as JSON has it. */
export function readModelMetadata(bytes: Buffer): {
  readonly inputs: readonly AnsweredTensor[];
  readonly outputs: readonly AnsweredTensor[];
} {
  const fields = read(bytes);
  return {
    inputs: bytesIn(fields, FIELD.metadata.inputs).map(readTensor),
    outputs: bytesIn(fields, FIELD.metadata.outputs).map(readTensor),
  };
}

/** The answer of modelConfig. @returns the largest number of series in a request; 0 if the model takes no batches. */
export function readMaxBatch(bytes: Buffer): number {
  const [config = Buffer.alloc(0)] = bytesIn(read(bytes), FIELD.configResponse.config);
  return numberIn(read(config), FIELD.config.maxBatchSize) ?? 0;
}

/**
 * The answer of modelInfer.
 *
 * @param outputs those that were asked for.
 * @returns their values in this order, as views of `bytes` where they are aligned.
 */
export function readInferResponse(
  bytes: Buffer,
  outputs: readonly TensorSpec[],
  series: number,
): readonly Values[] {
  const fields = read(bytes);
  const tensors = bytesIn(fields, FIELD.response.outputs).map(readTensor);
  const parts = bytesIn(fields, FIELD.response.contents);
  if (parts.length !== tensors.length) {
    throw wrongAnswer(`it has ${tensors.length} outputs, and ${parts.length} in raw_output_contents`);
  }
  const found = tensors.map((tensor, index) => ({ tensor, part: parts[index] as Buffer }));
  return takeOutputs(found, outputs, series);
}

/** The values of a message's fields by their numbers; fixed-size numbers, which no field here has, are left out. */
type Fields = ReadonlyMap<number, readonly (number | Buffer)[]>;

function read(bytes: Buffer): Fields {
  const fields = new Map<number, (number | Buffer)[]>();
  const reader = protobuf.Reader.create(bytes);
  try {
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      const wire = tag & (2 ** WIRE_BITS - 1);
      if (wire !== WIRE.varint && wire !== WIRE.bytes) {
        reader.skipType(wire);
        continue;
      }
      const value = wire === WIRE.varint ? Number(reader.int64()) : (reader.bytes() as Buffer);
      const field = tag >>> WIRE_BITS;
      const values = fields.get(field);
      if (values === undefined) fields.set(field, [value]);
      else values.push(value);
    }
  } catch (cause) {
    throw wrongAnswer(`its message cannot be read: ${(cause as Error).message}`, cause);
  }
  return fields;
}

function readTensor(bytes: Buffer): AnsweredTensor {
  const fields = read(bytes);
  return {
    name: textIn(fields, FIELD.tensor.name),
    datatype: textIn(fields, FIELD.tensor.datatype),
    shape: numbersIn(fields, FIELD.tensor.shape),
  };
}

function bytesIn(fields: Fields, field: number): readonly Buffer[] {
  return (fields.get(field) ?? []).filter((value) => typeof value !== 'number');
}

function textIn(fields: Fields, field: number): string {
  return bytesIn(fields, field).at(-1)?.toString() ?? '';
}

function numberIn(fields: Fields, field: number): number | undefined {
  return numbersIn(fields, field).at(-1);
}

/** Repeated numbers are packed into bytes, or stand alone. */
function numbersIn(fields: Fields, field: number): readonly number[] {
  return (fields.get(field) ?? []).flatMap((value) => (typeof value === 'number' ? value : packed(value)));
}

function packed(bytes: Buffer): number[] {
  const reader = protobuf.Reader.create(bytes);
  const numbers: number[] = [];
  try {
    while (reader.pos < reader.len) numbers.push(Number(reader.int64()));
  } catch (cause) {
    throw wrongAnswer(`its message cannot be read: ${(cause as Error).message}`, cause);
  }
  return numbers;
}

function bytesTag(field: number): number {
  return (field << WIRE_BITS) | WIRE.bytes;
}

function varintTag(field: number): number {
  return (field << WIRE_BITS) | WIRE.varint;
}

// An inference request as a client writes it, and the response as it reads it: JSON, then the tensors as little-endian
// bytes. Servers parse with src/service/kserve. Over gRPC the same bytes of the tensors go into its own message.
import { TFTError } from '../contract/errors.js';
import { type TensorSpec, type Values, viewValues } from '../contract/tensors.js';
import { valuesOfBytes, wireTensor } from './wire.js';

/** The body of a request whose tensors are still to be filled in. */
export interface InferMessage {
  readonly body: Uint8Array;
  /** Bytes of JSON before the tensors. */
  readonly headerLength: number;
  /** Views of the body, in the order of the tensors. */
  readonly inputs: readonly Values[];
  readonly series: number;
  /** The longest that it may wait in the server's queue. */
  readonly timeoutMicroseconds: number | undefined;
}

/**
 * Lays out the body of a request of `series` series.
 *
 * @param inputs the model's.
 * @param outputs those to ask for, as bytes.
 * @param timeoutMs the longest that the request may wait in the server's queue, by Triton's parameter.
 */
export function inferMessage(
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
  series: number,
  timeoutMs: number | undefined,
): InferMessage {
  const microseconds = timeoutMs === undefined ? 0 : Math.ceil(timeoutMs * 1000);
  const timeout = microseconds > 0 && Number.isSafeInteger(microseconds) ? microseconds : undefined;
  const json = JSON.stringify({
    ...(timeout === undefined ? {} : { parameters: { timeout } }),
    inputs: inputs.map((tensor) => ({
      ...wireTensor(tensor, series),
      parameters: { binary_data_size: tensor.size * series * BYTES_PER_VALUE },
    })),
    outputs: outputs.map(({ name }) => ({ name, parameters: { binary_data: true } })),
  });
  // Spaces after the JSON align the tensors, so that neither side has to copy them.
  const characters = Buffer.byteLength(json);
  const headerLength = Math.ceil(characters / BYTES_PER_VALUE) * BYTES_PER_VALUE;
  const values = inputs.reduce((sum, { size }) => sum + size * series, 0);
  const memory = new ArrayBuffer(headerLength + values * BYTES_PER_VALUE);
  Buffer.from(memory).fill(' ', characters, headerLength).write(json, 0, 'utf8');
  let offset = headerLength;
  const views = inputs.map((tensor) => {
    const view = viewValues(tensor, memory, offset, tensor.size * series);
    offset += view.byteLength;
    return view;
  });
  return { body: new Uint8Array(memory), headerLength, inputs: views, series, timeoutMicroseconds: timeout };
}

/**
 * The outputs of a response.
 *
 * @param headerLength the header {@link HEADER_LENGTH} of the response.
 * @param outputs those that were asked for.
 * @returns their values in this order, as views of `bytes` where they are aligned.
 * @throws TFTError ERR_TFT_REMOTE_ANSWER.
 */
export function readInferAnswer(
  bytes: Buffer,
  headerLength: string | undefined,
  outputs: readonly TensorSpec[],
  series: number,
): readonly Values[] {
  if (headerLength === undefined) {
    throw wrongAnswer('it has no binary tensors: the server does not offer the binary tensor extension');
  }
  const length = Number(headerLength);
  if (!Number.isSafeInteger(length) || length < 0 || length > bytes.length) {
    throw wrongAnswer(`it announces '${headerLength}' bytes of JSON and has ${bytes.length} bytes in all`);
  }
  const found: { tensor: AnsweredTensor; part: Buffer }[] = [];
  let from = length;
  for (const tensor of answeredTensors(bytes.subarray(0, length))) {
    const size = (tensor.parameters as Record<string, unknown> | undefined)?.binary_data_size;
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0 || from + size > bytes.length) {
      throw wrongAnswer(`output '${String(tensor.name)}' does not have its bytes behind the JSON`);
    }
    found.push({ tensor, part: bytes.subarray(from, from + size) });
    from += size;
  }
  return takeOutputs(found, outputs, series);
}

/** A tensor as a response describes it, which may be anything. */
export interface AnsweredTensor {
  readonly name?: unknown;
  readonly datatype?: unknown;
  readonly shape?: unknown;
}

/**
 * The values of the outputs that were asked for, in their order.
 *
 * @throws TFTError ERR_TFT_REMOTE_ANSWER if one is missing, or is not what was asked for.
 */
export function takeOutputs(
  answered: readonly { readonly tensor: AnsweredTensor; readonly part: Buffer }[],
  outputs: readonly TensorSpec[],
  series: number,
): readonly Values[] {
  const found = new Map(answered.map((one) => [one.tensor.name, one]));
  return outputs.map((spec) => {
    const { tensor, part } = found.get(spec.name) ?? {};
    if (tensor === undefined || part === undefined) throw wrongAnswer(`output '${spec.name}' is missing`);
    const { datatype, shape } = wireTensor(spec, series);
    if (tensor.datatype !== datatype || String(tensor.shape) !== String(shape)) {
      throw wrongAnswer(
        `output '${spec.name}' is ${String(tensor.datatype)} [${String(tensor.shape)}]; ` +
          `${datatype} [${String(shape)}] is expected`,
      );
    }
    if (part.length !== spec.size * series * BYTES_PER_VALUE) {
      throw wrongAnswer(`output '${spec.name}' has ${part.length} bytes, which is not what its shape needs`);
    }
    return valuesOfBytes(spec, part);
  });
}

function answeredTensors(json: Buffer): Record<string, unknown>[] {
  let answer: unknown;
  try {
    answer = JSON.parse(json.toString());
  } catch (cause) {
    throw wrongAnswer(`its JSON cannot be read: ${(cause as Error).message}`, cause);
  }
  const outputs = (answer as { outputs?: unknown } | null)?.outputs;
  if (!Array.isArray(outputs) || !outputs.every((one) => typeof one === 'object' && one !== null)) {
    throw wrongAnswer('its JSON has no list of outputs');
  }
  return outputs as Record<string, unknown>[];
}

export function wrongAnswer(problem: string, cause?: unknown): TFTError {
  return new TFTError('ERR_TFT_REMOTE_ANSWER', `the response is not usable: ${problem}`, { cause });
}

/** float32 and int32 alike. */
const BYTES_PER_VALUE = 4;

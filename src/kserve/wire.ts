// The wire format of the KServe v2 inference protocol with Triton's binary tensor extension, for servers and clients.
// See https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol and
// https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
import { TENSOR_TYPES } from '../contract/names.js';
import { type TensorSpec, type Values, viewValues } from '../contract/tensors.js';

/** The header with the number of bytes of JSON that come before the binary tensors. */
export const HEADER_LENGTH = 'inference-header-content-length';

/** A tensor as the protocol describes it. */
export interface WireTensor {
  readonly name: string;
  readonly datatype: (typeof TENSOR_TYPES)[keyof typeof TENSOR_TYPES];
  /** -1 for the batch, which varies. */
  readonly shape: readonly [number, number, number];
}

export function wireTensor({ name, type, steps, channels }: TensorSpec, batch = -1): WireTensor {
  return { name, datatype: TENSOR_TYPES[type], shape: [batch, steps, channels] };
}

/** A view of a binary tensor's bytes, or a copy if they do not begin at a multiple of four. */
export function valuesOfBytes(spec: TensorSpec, bytes: Buffer): Values {
  const isAligned = bytes.byteOffset % 4 === 0;
  const buffer = isAligned ? bytes.buffer : new Uint8Array(bytes).buffer;
  return viewValues(spec, buffer, isAligned ? bytes.byteOffset : 0, bytes.length / 4);
}

// The protocol's integer types besides INT32. Clients send INT64, numpy's default for whole numbers.

const ARRAYS = {
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
} as const;

/** A type of integers. */
export type IntegerType = keyof typeof ARRAYS;

export const INTEGER_TYPES = Object.keys(ARRAYS) as readonly IntegerType[];

export function isIntegerType(name: unknown): name is IntegerType {
  return typeof name === 'string' && Object.hasOwn(ARRAYS, name);
}

/** Bytes of one integer. */
export function bytesOf(type: IntegerType): number {
  return ARRAYS[type].BYTES_PER_ELEMENT;
}

/**
 * Little-endian integers as int32.
 *
 * @param refuse called with the index of a number that does not fit.
 */
export function integersOfBytes(
  type: IntegerType,
  bytes: Buffer,
  refuse: (index: number, value: number | bigint) => Error,
): Int32Array {
  const array = ARRAYS[type];
  // A copy: the bytes may begin anywhere.
  const values = new array(new Uint8Array(bytes).buffer);
  const integers = new Int32Array(values.length);
  for (let index = 0; index < integers.length; index++) {
    const value = values[index] as number | bigint;
    integers[index] = Number(value);
    if (integers[index] !== Number(value)) throw refuse(index, value);
  }
  return integers;
}

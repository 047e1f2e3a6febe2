// snappyjs 0.7 has no types of its own.
declare module 'snappyjs' {
  /** @throws Error if the bytes are not Snappy's, or unpack to more than `maxLength`. */
  export function uncompress(compressed: Uint8Array, maxLength?: number): Uint8Array;
  export function compress(bytes: Uint8Array): Uint8Array;
}

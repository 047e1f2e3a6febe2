// Reads typed arrays through the built-in getters: arrays from another realm (a vm context) are recognised, and a
// subclass that overrides a property cannot misreport it.

const prototype = Object.getPrototypeOf(Float32Array.prototype) as object;

function getter<T>(key: PropertyKey): (view: unknown) => T {
  const get = Object.getOwnPropertyDescriptor(prototype, key)?.get as (this: unknown) => T;
  return Function.prototype.call.bind(get) as (view: unknown) => T;
}

const tagOf = getter<string | undefined>(Symbol.toStringTag);

/** The view's length in elements; 0 for a detached one. */
export const viewLength = getter<number>('length');
/** The memory under the view. */
export const viewBuffer = getter<ArrayBufferLike>('buffer');
/** The view's offset in its memory, in bytes. */
export const viewOffset = getter<number>('byteOffset');

/** 'Float32Array' and the like for typed arrays of any realm; for other values a readable name. */
export function typeName(value: unknown): string {
  return tagOf(value) ?? describe(value);
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'Array';
  if (typeof value !== 'object') return typeof value;
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}

// An output of a model besides its predictions.

/** An output besides the predictions, row-major. */
export interface FurtherOutput {
  readonly data: Float32Array | Int32Array;
  /** `[batch, steps, channels]`. */
  readonly shape: readonly [number, number, number];
}

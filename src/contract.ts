// The data contract between a caller and the model: four typed arrays in, one out.

/**
 * The inputs of a prediction for B servers, each array row-major, raw values.
 *
 * Subarrays and views of a SharedArrayBuffer are accepted. The arrays are copied before the call returns.
 */
export interface ForecastInputs {
  /** `[B, encoderLength, metrics]`, oldest step first. */
  encoderCont: Float32Array;
  /** `[B, encoderLength, categories]`, codes of the model's vocabulary. */
  encoderCat: Int32Array;
  /** `[B, horizon, known features]`. */
  decoderCont: Float32Array;
  /** `[B, horizon, categories]`. */
  decoderCat: Int32Array;
}

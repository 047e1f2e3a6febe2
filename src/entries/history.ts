// The exports of 'tft-tensorrt/history': converting rows of measurements to the model's inputs, and sampling them to
// calibrate INT8 variants.
export { CalibrationReservoir, type ReservoirOptions } from '../calibration/reservoir.js';
export { writeCalibrationSet } from '../calibration/set.js';
export * from '../history/index.js';

// What `import … from 'tft-tensorrt/history'` offers: from rows of measurements to the arrays that the model reads, and
// samples of them to calibrate INT8 variants on.
export { CalibrationReservoir, type ReservoirOptions } from '../calibration/reservoir.js';
export { writeCalibrationSet } from '../calibration/set.js';
export * from '../history/index.js';

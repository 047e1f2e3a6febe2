// The fleet's part of the public face: from rows of metrics to the arrays that the model reads.
export { sliceInputs } from '../contract/inputs.js';
export {
  type CategoryRule,
  type ColumnMap,
  loadColumnMap,
  type MetricRule,
  parseColumnMap,
} from './column-map.js';
export {
  type FilledGap,
  FleetHistory,
  type FleetHistoryOptions,
  type FleetWindows,
  type HistoryModel,
  type HistoryRow,
  type RefusedServer,
  type ServerWindow,
  type WindowsOptions,
} from './history.js';
export { type ReadHistoryOptions, readHistory } from './history-file.js';
export type { HistoryWarning } from './report.js';
export { formatTimestamp, parseTimestamp } from './timestamp.js';

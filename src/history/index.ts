// The public API of histories: from rows of metrics to the arrays that the model reads.
export { sliceInputs } from '../contract/inputs.js';
export { timeAfter } from './calendar.js';
export {
  type CategoryRule,
  type ColumnMap,
  loadColumnMap,
  type MetricRule,
  parseColumnMap,
} from './column-map.js';
export { type HistoryFormat, MISSING_SPELLINGS, SEPARATORS } from './format.js';
export { FleetHistory, type FleetHistoryOptions, type HistoryStep, type WindowsOptions } from './history.js';
export { type ReadHistoryOptions, readHistory, readRows } from './history-file.js';
export type { HistoryRow } from './row.js';
export { formatTimestamp, parseTimestamp } from './timestamp.js';
export type {
  FilledGap,
  FleetWindows,
  HistoryModel,
  HistoryWarning,
  RefusedServer,
  ServerWindow,
} from './windows.js';

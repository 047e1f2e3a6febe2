// The exports of 'tft-tensorrt/judging': the accuracy of forecasts, the backtest of a model on a history, and what
// alert rules would have done over one.

export type { Hours } from '../fleet/alerts/hours.js';
export { type AlertsPreview, type PreviewOptions, previewAlerts } from '../fleet/alerts/preview.js';
export type { RulePreview } from '../fleet/alerts/preview-outcome.js';
export type { Rule, RuleModel } from '../fleet/alerts/rule.js';
export type { NotifySettings, RuleSettings } from '../fleet/alerts/rule-file.js';
export { type ReadyRules, readRules } from '../fleet/alerts/rules-in-use.js';
export { type Backtest, type BacktestOptions, backtest } from '../fleet/replay/backtest.js';
export type { ReplayOptions } from '../fleet/replay/replay.js';
export * from '../judging/index.js';

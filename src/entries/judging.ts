// What `import … from 'tft-tensorrt/judging'` offers: how right forecasts were, and the backtest of a model on a history.
export { type Backtest, type BacktestOptions, backtest } from '../fleet/replay/backtest.js';
export type { ReplayOptions } from '../fleet/replay/replay.js';
export * from '../judging/index.js';

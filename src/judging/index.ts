// Judges forecasts by the definitions of docs/judging.md, without files and engines.
export { gainInterval, gainOf, mulberry32, type PairedLoss, ROUNDS } from './bootstrap.js';
export { Choice, type ChoiceShape } from './choice.js';
export {
  CHOSEN,
  COMPETITORS,
  type CompetitorName,
  Judge,
  type JudgedMachine,
  type JudgedSlice,
  type JudgedWindow,
  type Judgement,
  type JudgeShape,
  MODEL,
  NAMED_HORIZONS,
} from './judge.js';
export {
  DAYS_OF_ERRORS,
  NAIVE_NAMES,
  type NaiveName,
  type NaiveShape,
  naiveForecast,
  naiveForecasts,
  pastSteps,
  stepsPerDay,
} from './naive.js';
export { quantileOfSorted, quantilesOf } from './quantile.js';
export { REGIMES, type Regime, regimeOf } from './regime.js';
export { RollingNaive } from './rolling-naive.js';
export { type Disorder, disorderOf, isHeld, pinballLoss, type Range, ResolutionFinder } from './score.js';
export type { TallyRow } from './tally.js';

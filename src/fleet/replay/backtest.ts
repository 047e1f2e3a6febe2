// The backtest of a model on a history file: every forecast that it would have made, compared with the measurements and with
// naive forecasts.

import { TFTError } from '../../contract/errors.js';
import { targetOf } from '../../contract/target.js';
import type { TFTEngine } from '../../engine.js';
import type { HistoryWarning, RefusedServer } from '../../history/index.js';
import { Judge, type Judgement, ResolutionFinder, stepsPerDay } from '../../judging/index.js';
import { JudgedServer } from './judged-server.js';
import { eachStep, type ReplayOptions, replayHistory } from './replay.js';
import { readSource } from './source.js';

const DEFAULT_EVERY_MINUTES = 60;

export interface BacktestOptions extends Omit<ReplayOptions, 'everySteps' | 'from'> {
  /** Minutes between the forecasts of a server, rounded to whole steps; 60 by default. */
  everyMinutes?: number | undefined;
  /** The recording's resolution, in the target's unit; found in the file by default. */
  resolution?: number | undefined;
  /** Called during the work with the number of windows forecast so far, and of all windows. */
  onForecasts?: ((done: number, total: number) => void) | undefined;
}

/** A {@link Judgement} with the model, the file and the settings. */
export interface Backtest extends Judgement {
  readonly model: string;
  readonly target: string;
  readonly unit: string;
  readonly everyMinutes: number;
  /** The first and the last origin judged. */
  readonly from: Date;
  readonly to: Date;
  /** Servers without a window that could be judged. */
  readonly refused: readonly RefusedServer[];
  readonly warnings: readonly HistoryWarning[];
}

/**
 * Judges a model on a history: see docs/judging.md. The source is a file, or the folder in which a daemon keeps its
 * history. It is read twice, so it cannot be a stream.
 *
 * Each forecast is made from rows before its origin alone, and is sorted and cut to the target's range before it is judged.
 *
 * @throws TFTError ERR_TFT_HISTORY_SHORT when no window can be judged; ERR_TFT_HISTORY_ORDER for rows out of order; what
 *   `readSource` and the engine throw.
 */
export async function backtest(
  engine: TFTEngine,
  source: string,
  options: BacktestOptions = {},
): Promise<Backtest> {
  const { everyMinutes = DEFAULT_EVERY_MINUTES, resolution, onForecasts, ...reading } = options;
  const { model } = engine;
  if (!(everyMinutes > 0) || (resolution !== undefined && !(resolution >= 0))) {
    throw new TFTError('ERR_TFT_OPTION', 'everyMinutes must be above 0, and resolution 0 or more');
  }
  const everySteps = Math.max(1, Math.round(everyMinutes / model.stepMinutes));
  const { unit, range } = targetOf(model);
  const first = await survey(engine, source, reading, everySteps);
  const shape = {
    stepMinutes: model.stepMinutes,
    encoder: model.encoderLength,
    horizon: model.horizon,
    day: stepsPerDay(model.stepMinutes),
    quantiles: model.quantiles,
    range,
    resolution: resolution ?? first.changes.find(range),
  };
  const judge = new Judge(shape);
  const maxGap = Math.floor((reading.maxGapMinutes ?? 60) / model.stepMinutes);
  const servers = new Map<string, JudgedServer>();
  const server = (name: string) => {
    let found = servers.get(name);
    if (found === undefined) {
      found = new JudgedServer(name, shape, maxGap, judge);
      servers.set(name, found);
    }
    return found;
  };
  let done = 0;
  let [from, to] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const history = await replayHistory(
    engine,
    source,
    { ...reading, everySteps },
    {
      step: (name, step, value) => server(name).step(step, value),
      origin: (name, origin, _window, time) => {
        [from, to] = [Math.min(from, time), Math.max(to, time)];
        server(name).origin(origin);
      },
      forecast: (name, origin, values) => {
        server(name).forecast(origin, values);
        onForecasts?.(++done, first.windows);
      },
    },
  );
  const judgement = judge.result();
  if (judgement === undefined) throw nothingToJudge(model, first.windows);
  const judged = new Set(judgement.servers.map(({ machine }) => machine));
  const { warnings } = history.windows();
  return {
    model: model.name,
    target: model.target,
    unit,
    everyMinutes: everySteps * model.stepMinutes,
    from: new Date(from),
    to: new Date(to),
    ...judgement,
    refused: history.servers.filter((name) => !judged.has(name)).map((name) => unjudged(name, model)),
    warnings: warnings.filter(({ server: of }) => of === undefined),
  };
}

/** Reads the file once: the number of windows, and the recording's resolution. */
async function survey(
  engine: TFTEngine,
  source: string,
  reading: Omit<ReplayOptions, 'everySteps' | 'from'>,
  everySteps: number,
) {
  const changes = new ResolutionFinder();
  const newest = new Map<string, number>();
  let windows = 0;
  const onStep = eachStep(engine.model, ({ server, step, value, window }) => {
    const before = newest.get(server);
    if (before !== undefined) changes.add(value - before);
    newest.set(server, value);
    if (window !== undefined && (step + 1) % everySteps === 0) windows++;
  });
  await readSource(source, engine.model, { ...reading, onStep });
  return { changes, windows };
}

function lengthNeeded({ encoderLength, horizon, stepMinutes }: TFTEngine['model']): string {
  const hours = ((encoderLength + horizon) * stepMinutes) / 60;
  return `a history of ${Number(hours.toFixed(1))} h without a long gap is needed for one window and what followed it`;
}

function nothingToJudge(model: TFTEngine['model'], windows: number): TFTError {
  const found = windows === 0 ? 'no window' : 'no window with a whole horizon after it';
  return new TFTError('ERR_TFT_HISTORY_SHORT', `the history has ${found}; ${lengthNeeded(model)}`);
}

function unjudged(server: string, model: TFTEngine['model']): RefusedServer {
  return { server, code: 'ERR_TFT_HISTORY_SHORT', message: `nothing to judge; ${lengthNeeded(model)}` };
}

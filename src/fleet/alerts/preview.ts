// Replays alert rules over a stored history: how often each rule would have fired, how often it would have been right, how far
// ahead, and what it would have missed. The forecasts are those that the model would have made at the time.

import { clipValues, sortSteps } from '../../contract/quantiles.js';
import { targetOf } from '../../contract/target.js';
import type { TFTEngine } from '../../engine.js';
import { valuesByCode } from '../../history/category-codes.js';
import { type ReplayOptions, replayHistory } from '../replay/replay.js';
import { AlertBook } from './book.js';
import {
  MeasuredSeries,
  outcomeOf,
  type PreviewFiring,
  type RulePreview,
  summarise,
} from './preview-outcome.js';
import type { Rule } from './rule.js';

const MINUTE = 60_000;

export interface PreviewOptions extends Omit<ReplayOptions, 'everySteps' | 'from'> {
  /** Minutes between the forecasts of a server; the model's step by default, which is what the daemon does. */
  everyMinutes?: number | undefined;
  onForecasts?: ((done: number) => void) | undefined;
}

export interface AlertsPreview {
  /** The first and last forecast, and how many there were. */
  readonly from: Date | undefined;
  readonly to: Date | undefined;
  readonly forecasts: number;
  readonly servers: number;
  readonly rules: readonly RulePreview[];
}

/**
 * Replays a history file under rules, or the folder in which a daemon keeps its history. In a file each server's rows must be in
 * the order of time.
 *
 * A firing is right when the measured target is across the threshold, for as long as the rule asks, within the rule's `within`
 * after it; it is undecided when the history ends before that. An episode is a run of measurements across the threshold until
 * they are back beyond the recovery threshold; it is missed when no alert of its server was firing when it began.
 *
 * @throws TFTError what the replay throws.
 */
export async function previewAlerts(
  engine: TFTEngine,
  rules: readonly Rule[],
  source: string,
  options: PreviewOptions = {},
): Promise<AlertsPreview> {
  const { everyMinutes, onForecasts, ...reading } = options;
  const { model } = engine;
  const everySteps = Math.max(1, Math.round((everyMinutes ?? model.stepMinutes) / model.stepMinutes));
  const stepMs = model.stepMinutes * MINUTE;
  const { range } = targetOf(model);
  const shape = { stepMs, horizon: model.horizon, quantiles: model.quantiles };
  const book = new AlertBook(rules, shape);
  const series = new Map<string, MeasuredSeries>();
  const firings: PreviewFiring[] = [];
  const open = new Map<string, PreviewFiring>();
  // Of the forecast that changes alerts.
  let step = 0;
  book.onChange((alert, rule, at) => {
    if (alert.state === 'firing') {
      const { server, text } = alert;
      const firing = { rule, server, step, at: new Date(at), until: Number.POSITIVE_INFINITY, text };
      firings.push(firing);
      open.set(alert.id, firing);
    } else if (alert.state === 'resolved') {
      const firing = open.get(alert.id);
      if (firing !== undefined) firing.until = step;
      open.delete(alert.id);
    }
  });
  let forecasts = 0;
  const origins = new Map<string, { first: number; last: number; count: number; profile: string }>();
  let [from, to] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const profiles = profileReader(engine);
  await replayHistory(
    engine,
    source,
    { ...reading, everySteps },
    {
      step: (server, at, value) => {
        let measured = series.get(server);
        if (measured === undefined) {
          measured = new MeasuredSeries();
          series.set(server, measured);
        }
        measured.add(at, value);
      },
      origin: (server, origin, window, time) => {
        [from, to] = [Math.min(from, time), Math.max(to, time)];
        const known = origins.get(server);
        if (known === undefined) {
          origins.set(server, {
            first: origin,
            last: origin,
            count: 1,
            profile: profiles(window.encoderCat),
          });
        } else {
          known.last = origin;
          known.count++;
        }
      },
      forecast: (server, origin, raw, time) => {
        const values = raw.slice();
        sortSteps(values, model.quantiles.length);
        clipValues(values, range);
        const profile = origins.get(server)?.profile ?? '';
        step = origin;
        book.update({ server, profile, at: time, start: time, values, offset: 0 });
        forecasts++;
        onForecasts?.(forecasts);
      },
    },
  );
  return {
    from: origins.size === 0 ? undefined : new Date(from),
    to: origins.size === 0 ? undefined : new Date(to),
    forecasts,
    servers: origins.size,
    rules: rules.map((rule) => {
      const own = firings.filter((firing) => firing.rule === rule);
      const outcomes = own.map((firing) => outcomeOf(firing, series.get(firing.server) as MeasuredSeries));
      const watched = [...series].filter(([name]) => {
        const span = origins.get(name);
        return span !== undefined && rule.watches(name, span.profile);
      });
      const minutes = watched.reduce(
        (sum, [name]) => sum + (origins.get(name)?.count ?? 0) * everySteps * model.stepMinutes,
        0,
      );
      const episodes = watched.flatMap(([name, measured]) => {
        const { first, last } = origins.get(name) as { first: number; last: number };
        return measured.episodes(rule, first, last).map((begin) => ({ server: name, step: begin }));
      });
      // The critical alert replaces the warning, so the warning is not counted.
      const covering = firings.filter(({ rule: { id } }) => id === rule.id || id === rule.outranked);
      return summarise(rule, own, outcomes, { episodes, covering, minutes, stepMinutes: model.stepMinutes });
    }),
  };
}

/** The name of the profile in a window's codes; '' for a model without profiles. */
function profileReader({ model }: TFTEngine): (codes: Int32Array) => string {
  const channel = model.categories.findIndex(({ name }) => name === 'profile');
  const names = valuesByCode(model.categories[channel]);
  return (codes) => (channel < 0 ? '' : (names.get(codes[channel] as number) ?? ''));
}

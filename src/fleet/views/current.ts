// GET /predictions/current, /explain/{server}, /status and /health, in the shapes of the daemon that this one replaces.
// docs/fleet.md defines the numbers; what the model does not predict is not guessed.
import { z } from 'zod';
import type { RiskLevel, ServerState } from '../api.js';
import type { Fleet } from '../fleet.js';
import { exceedance } from '../risk.js';
import { isoTime, outlookOf, short } from './outlooks.js';
import { measured } from './overview.js';

const prediction = z.strictObject({
  p50: z.array(z.number()),
  p10: z.array(z.number()),
  p90: z.array(z.number()),
  current: z.number().nullable(),
  trend: z.number().describe("the median's change over the horizon, by the hour"),
});
const shownLevel = z.strictObject({
  level: z.string(),
  score: z.number(),
  color: z.string(),
  label: z.string(),
});

export const currentPredictions = z
  .strictObject({
    predictions: z.record(
      z.string(),
      z
        .object({
          risk_score: z.number(),
          profile: z.string(),
          alert: shownLevel,
          state: z.string(),
          source: z.string(),
          made_at: z.iso.datetime(),
        })
        .catchall(prediction)
        .describe('and the target by its name'),
    ),
    alerts: z.array(z.unknown()),
    environment: z.strictObject({
      prob_30m: z.number().describe('the largest probability of any server, within 30 minutes'),
      prob_8h: z.number().describe('the same within the horizon, or 8 hours of it'),
      high_risk_servers: z.int(),
      total_servers: z.int(),
      fleet_health: z.number().describe('the share of servers that are not at risk, in per cent'),
    }),
    summary: z.record(z.string(), z.unknown()),
    metadata: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'CurrentPredictions' });

const SHOWN: Readonly<Record<RiskLevel, { level: string; color: string; label: string }>> = {
  ok: { level: 'healthy', color: '#2e7d32', label: 'Healthy' },
  warning: { level: 'warning', color: '#b26a00', label: 'Warning' },
  critical: { level: 'critical', color: '#c62828', label: 'Critical' },
};
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const STATES: readonly ServerState[] = ['ready', 'warming-up', 'stale', 'refused'];

export function currentPredictionsOf(fleet: Fleet): z.infer<typeof currentPredictions> {
  const { model, stepMs, threshold, columns } = fleet;
  const { quantiles, horizon, target } = model;
  const width = quantiles.length;
  const predictions: z.infer<typeof currentPredictions>['predictions'] = {};
  const levels = { ok: 0, warning: 0, critical: 0 };
  const states = Object.fromEntries(STATES.map((state) => [state, 0]));
  let soon = 0;
  let later = 0;
  for (const [place, entry] of fleet.roster) {
    const state = fleet.standings.state(place);
    states[state] = (states[state] ?? 0) + 1;
    const found = state === 'stale' ? undefined : outlookOf(fleet, place);
    if (found === undefined) continue;
    const { forecast, outlook } = found;
    const column = (at: number) =>
      Array.from({ length: horizon }, (_, step) => short(forecast.values[step * width + at] as number));
    const p50 = column(columns.median);
    const risk = riskWithin(fleet, forecast.values, 30 * MINUTE);
    soon = Math.max(soon, risk);
    later = Math.max(later, riskWithin(fleet, forecast.values, 8 * HOUR));
    levels[outlook.level]++;
    const score = Math.round(outlook.risk * 1000) / 10;
    const hours = ((horizon - 1) * stepMs) / HOUR;
    const current = measured(fleet, place, fleet.closed);
    predictions[entry.name] = {
      risk_score: score,
      profile: entry.profile,
      alert: { ...SHOWN[outlook.level], score },
      state,
      source: forecast.source,
      made_at: isoTime(forecast.madeAt),
      [target]: {
        p50,
        p10: column(columns.low),
        p90: column(columns.high),
        current: current === null ? null : short(current),
        trend: hours === 0 ? 0 : short(((p50.at(-1) as number) - (p50[0] as number)) / hours),
      },
    } as (typeof predictions)[string];
  }
  const total = levels.ok + levels.warning + levels.critical;
  return {
    predictions,
    alerts: fleet.alerts?.state().active ?? [],
    environment: {
      prob_30m: short(soon),
      prob_8h: short(later),
      high_risk_servers: levels.critical,
      total_servers: fleet.roster.count,
      fleet_health: total === 0 ? 100 : short((100 * levels.ok) / total),
    },
    summary: { ...levels, states },
    metadata: {
      model: model.name,
      target,
      threshold: threshold ?? null,
      quantiles: {
        p10: quantiles[columns.low],
        p50: quantiles[columns.median],
        p90: quantiles[columns.high],
      },
      step_minutes: model.stepMinutes,
      horizon_steps: horizon,
      prediction_time: isoTime(fleet.clock.now()),
      simulated: fleet.simulated,
    },
  };
}

/** The largest probability over the steps within this many milliseconds. */
function riskWithin(fleet: Fleet, values: Float32Array, milliseconds: number): number {
  const { model, threshold, stepMs, range } = fleet;
  if (threshold === undefined) return 0;
  const width = model.quantiles.length;
  const steps = Math.min(model.horizon, Math.max(1, Math.floor(milliseconds / stepMs)));
  let largest = 0;
  for (let step = 0; step < steps; step++) {
    largest = Math.max(largest, exceedance(values, step * width, model.quantiles, threshold, range));
  }
  return largest;
}

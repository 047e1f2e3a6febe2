// GET /fleet/overview: a summary of all servers.
import { targetOf } from '../../contract/target.js';
import type { Overview, OverviewRow, ServerState, StepEvent } from '../api.js';
import type { Fleet } from '../fleet.js';
import { ABSENT, BLOCK_SERVERS } from '../memory/block.js';
import { crossingOf, isoTime, outlookOf, type ServerOutlook, short, timeAhead } from './outlooks.js';

/** Points of a sparkline on each side of now. */
const SPARK = 24;

export function overview(fleet: Fleet): Overview {
  const { model, range, loop } = fleet;
  const servers = overviewRows(fleet);
  const states = new Map<ServerState, number>();
  for (const [place] of fleet.roster) {
    const state = fleet.standings.state(place);
    states.set(state, (states.get(state) ?? 0) + 1);
  }
  const { lastRun } = loop;
  return {
    time: isoTime(fleet.clock.now()),
    stepMinutes: model.stepMinutes,
    horizon: model.horizon,
    model: {
      name: model.name,
      target: model.target,
      unit: targetOf(model).unit,
      minimum: range.minimum ?? null,
      maximum: range.maximum ?? null,
    },
    quantiles: [...model.quantiles],
    threshold: fleet.threshold ?? null,
    simulated: fleet.simulated,
    counts: {
      servers: fleet.roster.count,
      warmingUp: states.get('warming-up') ?? 0,
      stale: states.get('stale') ?? 0,
      alerts: fleet.alerts?.state().active.filter(({ state }) => state === 'firing').length ?? 0,
    },
    lastRun:
      lastRun === undefined
        ? null
        : {
            at: isoTime(lastRun.at),
            servers: lastRun.servers,
            milliseconds: short(lastRun.milliseconds),
          },
    servers,
  };
}

/** The event that watching clients get after a run. */
export function stepEventOf(fleet: Fleet): StepEvent {
  return { time: isoTime(fleet.clock.now()), servers: overviewRows(fleet) };
}

/** Nobody reads more rows than this, and their JSON would block the event loop. */
const MAX_ROWS = 5000;

/** Servers at risk first; in very large fleets, the rest is left out. */
function overviewRows(fleet: Fleet): OverviewRow[] {
  const places = [...fleet.roster].map(([place, { name }]) => ({
    place,
    name,
    risk: shownRisk(fleet, place),
  }));
  places.sort((a, b) => b.risk - a.risk || (a.name < b.name ? -1 : 1));
  return places.slice(0, MAX_ROWS).map(({ place }) => overviewRow(fleet, place));
}

function shownRisk(fleet: Fleet, place: number): number {
  return fleet.standings.state(place) === 'stale' ? 0 : fleet.latest.risk(place);
}

export function overviewRow(fleet: Fleet, place: number): OverviewRow {
  const entry = fleet.roster.at(place) ?? { name: '', profile: '', status: '' };
  const state = fleet.standings.state(place);
  // A forecast made before a server went silent says nothing about the present.
  const found = state === 'stale' ? undefined : outlookOf(fleet, place);
  const last = fleet.roster.lastSample(place);
  const shown = found === undefined ? undefined : shownOutlook(fleet, found);
  return {
    server: entry.name,
    profile: entry.profile,
    status: entry.status,
    state,
    risk: shown?.risk ?? 0,
    level: shown?.level ?? 'ok',
    now: newestValue(fleet, place),
    peak: shown?.peak ?? null,
    crossing: found === undefined ? null : crossingOf(fleet, found),
    ageSeconds: Number.isFinite(last) ? Math.max(0, Math.round((fleet.clock.now() - last) / 1000)) : null,
    filledSteps: found?.forecast.filledSteps ?? 0,
    source: found?.source ?? 'model',
    spark: spark(fleet, place, found),
  };
}

function shownOutlook(fleet: Fleet, { outlook, forecast }: ServerOutlook) {
  const { step, value, low, high } = outlook.peak;
  return {
    risk: Math.round(outlook.risk * 1000) / 10,
    level: outlook.level,
    peak: { value: short(value), at: timeAhead(fleet, forecast, step), low: short(low), high: short(high) },
  };
}

/** The newest value of the target that was measured, also of the step that is open. */
function newestValue(fleet: Fleet, place: number): number | null {
  const { ring } = fleet;
  for (let step = ring.newest; step >= ring.oldest; step--) {
    const value = measured(fleet, place, step);
    if (value !== null) return short(value);
  }
  return null;
}

/** The target's value in a step; null where it was not measured. */
export function measured(fleet: Fleet, place: number, step: number): number | null {
  const { ring, targetIndex } = fleet;
  if (step < ring.oldest || step > ring.newest) return null;
  const block = ring.block(place);
  const at = place % BLOCK_SERVERS;
  if (block.presence[block.cell(step) + at] === ABSENT) return null;
  const value = block.value(at, step, targetIndex);
  return Number.isNaN(value) ? null : value;
}

/** The past over the length of the horizon, then the median ahead. Each point is the largest value of its part. */
function spark(fleet: Fleet, place: number, found: ServerOutlook | undefined): (number | null)[] {
  const { horizon, quantiles } = fleet.model;
  const points = Math.min(SPARK, horizon);
  const past = Array.from({ length: points }, (_, point) => {
    const [from, to] = part(point, points, horizon);
    let largest: number | null = null;
    for (let step = from; step < to; step++) {
      const value = measured(fleet, place, fleet.closed - horizon + 1 + step);
      if (value !== null && (largest === null || value > largest)) largest = value;
    }
    return largest === null ? null : short(largest);
  });
  if (found === undefined) return past;
  const { median } = fleet.columns;
  const ahead = Array.from({ length: points }, (_, point) => {
    const [from, to] = part(point, points, horizon);
    let largest = Number.NEGATIVE_INFINITY;
    for (let step = from; step < to; step++) {
      largest = Math.max(largest, found.forecast.values[step * quantiles.length + median] as number);
    }
    return short(largest);
  });
  return [...past, ...ahead];
}

function part(point: number, points: number, length: number): [number, number] {
  return [Math.floor((point * length) / points), Math.floor(((point + 1) * length) / points)];
}

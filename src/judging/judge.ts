// Judges windows of many machines, one after another, and makes the table: overall, by horizon, by regime and by machine. It
// keeps only sums, so a month of forecasts takes no more memory than a day.
import { Choice } from './choice.js';
import { NAIVE_NAMES, type NaiveName } from './naive.js';
import { REGIMES, type Regime } from './regime.js';
import { disorderOf, isHeld, pinballLoss, type Range } from './score.js';
import { Tally, type TallyRow } from './tally.js';

export const MODEL = 'model';
export const CHOSEN = 'chosen by machine';
/** The competitors: the model, the naive forecasts, and the forecast that was best on the machine's earlier windows. */
export const COMPETITORS = [MODEL, ...NAIVE_NAMES, CHOSEN] as const;
export type CompetitorName = (typeof COMPETITORS)[number];

const NAIVE = NAIVE_NAMES.map((_, index) => index + 1);
const CHOSEN_AT = COMPETITORS.length - 1;
/** The named horizons in minutes; those beyond the model's horizon are left out. */
export const NAMED_HORIZONS = [5, 60, 240, 480] as const;
const BAND = [0.1, 0.9] as const;

export interface JudgeShape {
  readonly stepMinutes: number;
  readonly horizon: number;
  readonly day: number;
  readonly quantiles: readonly number[];
  readonly range: Range;
  /** The recording's, in the target's unit. */
  readonly resolution: number;
}

/** A forecast window with the measured values. */
export interface JudgedWindow {
  /** The step that the forecast begins at, counted from anywhere. */
  readonly origin: number;
  /** The target over the horizon; NaN where nothing was measured. */
  readonly measured: ArrayLike<number>;
  /** `[horizon, quantiles]`. */
  readonly model: ArrayLike<number>;
  /** The model's values as the graph gave them, where `model` was sorted and cut: for crossed and outOfRange. */
  readonly raw?: ArrayLike<number> | undefined;
  /** The naive forecasts in the order of NAIVE_NAMES, each `[horizon, quantiles]`. */
  readonly naive: readonly ArrayLike<number>[];
  readonly regime: Regime;
}

/** The forecasts over some of the windows. */
export interface JudgedSlice {
  readonly windows: number;
  readonly machines: number;
  /** The one with the least loss in this slice. */
  readonly bestNaive: NaiveName;
  readonly forecasts: readonly ({ readonly name: CompetitorName } & TallyRow)[];
}

export interface JudgedMachine {
  readonly machine: string;
  readonly windows: number;
  readonly pinball: number;
  readonly bestNaive: NaiveName;
  readonly naivePinball: number;
  /** The forecast to use from now on, chosen on the machine's windows so far. */
  readonly use: Exclude<CompetitorName, typeof CHOSEN>;
  /** The share of windows for which a naive forecast was chosen. */
  readonly naiveShare: number;
}

export interface Judgement extends JudgedSlice {
  /** Machines on which the model loses less than the best naive forecast. */
  readonly won: number;
  readonly horizons: readonly ({ readonly minutes: number } & JudgedSlice)[];
  readonly regimes: readonly ({ readonly regime: Regime } & JudgedSlice)[];
  readonly servers: readonly JudgedMachine[];
  /** Of the model's forecasts as the graph gave them: neighbouring quantiles that cross, windows with any, values outside the range. */
  readonly crossed: number;
  readonly crossedWindows: number;
  readonly outOfRange: number;
  readonly resolution: number;
}

interface MachineState {
  readonly choice: Choice;
  newest: number;
  naive: number;
  windows: number;
}

export class Judge {
  readonly #shape: JudgeShape;
  readonly #all = new Tally({ count: COMPETITORS.length, naive: NAIVE });
  readonly #byHorizon: { readonly minutes: number; readonly step: number; readonly tally: Tally }[];
  readonly #byRegime = new Map<Regime, Tally>();
  readonly #machines = new Map<string, MachineState>();
  readonly #band: readonly [number, number] | undefined;
  #disorder = { crossed: 0, pairs: 0, outside: 0, values: 0, crossedWindows: 0 };

  constructor(shape: JudgeShape) {
    this.#shape = shape;
    const [low, high] = BAND.map((q) => shape.quantiles.indexOf(q)) as [number, number];
    this.#band = low >= 0 && high >= 0 ? [low, high] : undefined;
    this.#byHorizon = NAMED_HORIZONS.map((minutes) => ({
      minutes,
      step: minutes / shape.stepMinutes - 1,
    }))
      .filter(({ step }) => Number.isInteger(step) && step >= 0 && step < shape.horizon)
      .map((named) => ({ ...named, tally: new Tally({ count: COMPETITORS.length, naive: NAIVE }) }));
  }

  /** Judges a window. Those of one machine must come in the order of their origins; one with nothing measured is left out. */
  add(machine: string, window: JudgedWindow): void {
    const { horizon, quantiles, range } = this.#shape;
    const state = this.#state(machine);
    const chosen = state.choice.at(window.origin);
    const forecasts = [window.model, ...window.naive];
    forecasts.push(forecasts[chosen] as ArrayLike<number>);
    const losses = new Float64Array(forecasts.length);
    const held = new Float64Array(forecasts.length);
    const stepLosses = new Float64Array(forecasts.length);
    const stepHeld = new Float64Array(forecasts.length);
    let steps = 0;
    for (let step = 0; step < horizon; step++) {
      const measured = window.measured[step] as number;
      if (Number.isNaN(measured)) continue;
      steps++;
      for (const [index, forecast] of forecasts.entries()) {
        stepLosses[index] = pinballLoss(forecast, step * quantiles.length, quantiles, measured);
        stepHeld[index] = this.#holds(forecast, step, measured) ? 1 : 0;
        losses[index] = (losses[index] as number) + (stepLosses[index] as number);
        held[index] = (held[index] as number) + (stepHeld[index] as number);
      }
      for (const named of this.#byHorizon) {
        if (named.step !== step) continue;
        named.tally.window(machine);
        named.tally.add(machine, 1, stepLosses, stepHeld);
      }
    }
    if (steps === 0) return;
    for (const tally of [this.#all, this.#regime(window.regime)]) {
      tally.window(machine);
      tally.add(machine, steps, losses, held);
    }
    state.choice.scored(
      window.origin,
      [...losses.subarray(0, CHOSEN_AT)].map((loss) => loss / steps),
    );
    state.newest = window.origin;
    state.windows++;
    if (chosen !== 0) state.naive++;
    const { crossed, pairs, outside, values } = disorderOf(
      window.raw ?? window.model,
      quantiles.length,
      range,
    );
    const sums = this.#disorder;
    this.#disorder = {
      crossed: sums.crossed + crossed,
      pairs: sums.pairs + pairs,
      outside: sums.outside + outside,
      values: sums.values + values,
      crossedWindows: sums.crossedWindows + (crossed > 0 ? 1 : 0),
    };
  }

  /** The number of judged windows. */
  get windows(): number {
    return this.#all.windows;
  }

  /** The table; undefined when no window was judged. */
  result(): Judgement | undefined {
    const { windows } = this.#all;
    if (windows === 0) return undefined;
    const { crossed, pairs, outside, values, crossedWindows } = this.#disorder;
    return {
      ...this.#slice(this.#all),
      won: this.#all.won(0),
      horizons: this.#byHorizon
        .filter(({ tally }) => tally.windows > 0)
        .map(({ minutes, tally }) => ({ minutes, ...this.#slice(tally) })),
      regimes: REGIMES.flatMap((regime) => {
        const tally = this.#byRegime.get(regime);
        return tally === undefined ? [] : [{ regime, ...this.#slice(tally) }];
      }),
      servers: this.#all.machines.map((machine) => this.#machine(machine)),
      crossed: pairs === 0 ? 0 : crossed / pairs,
      crossedWindows: crossedWindows / windows,
      outOfRange: outside / values,
      resolution: this.#shape.resolution,
    };
  }

  #slice(tally: Tally): JudgedSlice {
    return {
      windows: tally.windows,
      machines: tally.machines.length,
      bestNaive: NAIVE_NAMES[tally.bestNaive - 1] as NaiveName,
      forecasts: COMPETITORS.map((name, index) => ({
        name,
        ...tally.row(index, this.#band !== undefined),
      })),
    };
  }

  #machine(machine: string): JudgedMachine {
    const { choice, newest, naive, windows } = this.#state(machine);
    const best = this.#all.bestNaiveOf(machine);
    const use = choice.at(newest + this.#shape.horizon);
    return {
      machine,
      windows,
      pinball: this.#all.pinballOf(machine, 0),
      bestNaive: NAIVE_NAMES[best - 1] as NaiveName,
      naivePinball: this.#all.pinballOf(machine, best),
      use: COMPETITORS[use] as JudgedMachine['use'],
      naiveShare: naive / windows,
    };
  }

  #holds(forecast: ArrayLike<number>, step: number, measured: number): boolean {
    if (this.#band === undefined) return false;
    const at = step * this.#shape.quantiles.length;
    const [low, high] = this.#band;
    return isHeld(
      forecast[at + low] as number,
      forecast[at + high] as number,
      measured,
      this.#shape.resolution,
    );
  }

  #regime(regime: Regime): Tally {
    let tally = this.#byRegime.get(regime);
    if (tally === undefined) {
      tally = new Tally({ count: COMPETITORS.length, naive: NAIVE });
      this.#byRegime.set(regime, tally);
    }
    return tally;
  }

  #state(machine: string): MachineState {
    let state = this.#machines.get(machine);
    if (state === undefined) {
      state = { choice: new Choice(this.#shape), newest: 0, naive: 0, windows: 0 };
      this.#machines.set(machine, state);
    }
    return state;
  }
}

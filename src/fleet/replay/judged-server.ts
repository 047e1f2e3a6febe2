// One server of a backtest: its forecasts wait here until their horizon has been measured, then go to the judge in order.
import { clipValues, sortSteps } from '../../contract/quantiles.js';
import { type Judge, type NaiveShape, pastSteps, RollingNaive, regimeOf } from '../../judging/index.js';

interface Pending {
  readonly origin: number;
  readonly naive: readonly Float64Array[];
  readonly regime: ReturnType<typeof regimeOf>;
  readonly measured: Float64Array;
  /** How many steps of the horizon have passed. */
  passed: number;
  model: Float32Array | undefined;
}

export class JudgedServer {
  readonly #name: string;
  readonly #shape: NaiveShape;
  readonly #maxGap: number;
  readonly #judge: Judge;
  #naive: RollingNaive;
  #pending: Pending[] = [];
  #newest: { readonly step: number; readonly value: number } | undefined;

  /** @param maxGap gaps of up to this many steps are filled; after a longer one the past starts over. */
  constructor(name: string, shape: NaiveShape, maxGap: number, judge: Judge) {
    this.#name = name;
    this.#shape = shape;
    this.#maxGap = maxGap;
    this.#judge = judge;
    this.#naive = new RollingNaive(shape);
  }

  /** A measured step. */
  step(step: number, value: number): void {
    const newest = this.#newest;
    if (newest !== undefined) {
      const missing = step - newest.step - 1;
      if (missing > this.#maxGap) {
        // Once its whole horizon is measured, an origin waits for the model alone.
        this.#pending = this.#pending.filter(({ passed }) => passed === this.#shape.horizon);
        this.#naive = new RollingNaive(this.#shape);
      } else {
        for (let filled = 0; filled < missing; filled++) this.#pass(newest.value, Number.NaN);
      }
    }
    this.#newest = { step, value };
    this.#pass(value, value);
    this.#judgeWhole();
  }

  /** The next forecast begins after the step reported last. */
  origin(origin: number): void {
    const { day, range, horizon } = this.#shape;
    this.#pending.push({
      origin,
      naive: this.#naive.forecasts(),
      regime: regimeOf(this.#naive.past(pastSteps(this.#shape)), day, range),
      measured: new Float64Array(horizon).fill(Number.NaN),
      passed: 0,
      model: undefined,
    });
  }

  /** The model's forecast from an origin. */
  forecast(origin: number, values: Float32Array): void {
    const waiting = this.#pending.find((pending) => pending.origin === origin);
    if (waiting === undefined) return;
    waiting.model = values;
    this.#judgeWhole();
  }

  #pass(value: number, measured: number): void {
    this.#naive.push(value);
    for (const pending of this.#pending) {
      if (pending.passed < this.#shape.horizon) pending.measured[pending.passed++] = measured;
    }
  }

  #judgeWhole(): void {
    const { horizon, quantiles, range } = this.#shape;
    let whole = 0;
    for (const { model, passed, ...window } of this.#pending) {
      if (passed < horizon || model === undefined) break;
      const tidy = model.slice();
      sortSteps(tidy, quantiles.length);
      clipValues(tidy, range);
      this.#judge.add(this.#name, { ...window, model: tidy, raw: model });
      whole++;
    }
    if (whole > 0) this.#pending = this.#pending.slice(whole);
  }
}

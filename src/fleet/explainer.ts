// What a server's newest forecast rests on: one more run of the engine for that server alone, when someone asks. All servers'
// weights are not kept: they would take more memory than the forecasts.
import type { Explanation } from '../contract/explanation.js';
import type { ModelHost } from '../service/index.js';
import type { LatestForecasts } from './memory/forecasts.js';
import { WindowBatch } from './memory/gather.js';
import type { FleetRing } from './memory/ring.js';
import type { FleetModel } from './memory/shape.js';
import { refuseOtherModel } from './same-model.js';
import { type StandingRules, standingOf } from './standing.js';

export interface ExplainerParts {
  readonly model: FleetModel;
  readonly ring: FleetRing;
  readonly latest: LatestForecasts;
  readonly host: Pick<ModelHost, 'lend'>;
  readonly rules: StandingRules;
}

export interface Explained {
  readonly explanation: Explanation;
  /** The newest step that the forecast read. */
  readonly step: number;
}

/** Explanations that are kept: of the servers that are looked at. */
const KEPT = 64;

export class Explainer {
  readonly #parts: ExplainerParts;
  /** By server, the newest last. */
  readonly #kept = new Map<
    number,
    { readonly step: number; readonly madeAt: number; readonly made: Promise<Explained> }
  >();

  constructor(parts: ExplainerParts) {
    this.#parts = parts;
  }

  /**
   * What the newest forecast of a server rests on; asked for again, the same, until there is another forecast.
   *
   * @returns undefined without a forecast, and of a model that does not explain.
   * @throws TFTError as TFTEngine.predict; ERR_TFT_UNSUPPORTED if the model has been replaced by a different one.
   */
  async explain(place: number): Promise<Explained | undefined> {
    const forecast = this.#parts.latest.get(place);
    if (forecast === undefined) return undefined;
    const { step, madeAt } = forecast;
    const known = this.#kept.get(place);
    if (known?.step === step && known.madeAt === madeAt) return known.made;
    const made = this.#run(place, step);
    const kept = { step, madeAt, made: made as Promise<Explained> };
    this.#kept.delete(place);
    this.#kept.set(place, kept);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT && oldest !== undefined) this.#kept.delete(oldest);
    try {
      return await made;
    } catch (error) {
      if (this.#kept.get(place) === kept) this.#kept.delete(place);
      throw error;
    }
  }

  #run(place: number, step: number): Promise<Explained | undefined> {
    const { model, ring, rules, host } = this.#parts;
    return host.lend(async ({ engine }) => {
      if (engine.model.explanation === undefined) return undefined;
      refuseOtherModel(model, engine.model);
      const { canForecast, first } = standingOf(ring, step, place, rules);
      if (!canForecast) return undefined;
      const inputs = new WindowBatch(engine.model, 1).gather(ring, step, [place], [first]);
      const [forecast] = await engine.predict(inputs, { borrow: true });
      const explanation = forecast?.explanation;
      return explanation && { explanation, step };
    });
  }
}

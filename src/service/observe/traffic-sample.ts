// Samples the served requests for calibrating INT8 variants. The sample is in memory and is written when the service stops.
// It contains no client, no server name and no time.

import { CalibrationReservoir } from '../../calibration/reservoir.js';
import { writeCalibrationSet } from '../../calibration/set.js';
import type { ForecastInputs } from '../../contract/inputs.js';
import type { ModelDescription } from '../../contract/model.js';
import type { ServiceConfig } from '../config/schema.js';
import type { ServedModel } from '../model-host.js';
import type { ServiceLog } from './logging.js';

export class TrafficSample {
  readonly #folder: string | undefined;
  readonly #windows: number;
  #model: ModelDescription | undefined;
  #reservoir: CalibrationReservoir | undefined;

  constructor({
    calibrationFolder,
    calibrationWindows,
  }: Pick<ServiceConfig, 'calibrationFolder' | 'calibrationWindows'>) {
    this.#folder = calibrationFolder;
    this.#windows = calibrationWindows;
  }

  /** Whether a sample is configured. */
  get isTaken(): boolean {
    return this.#folder !== undefined;
  }

  /** Offers an answered request. This costs nothing without a configured sample. */
  offer({ engine }: ServedModel, inputs: ForecastInputs): void {
    if (!this.isTaken) return;
    if (this.#reservoir === undefined || !sameInputs(this.#model, engine.model)) {
      this.#model = engine.model;
      this.#reservoir = new CalibrationReservoir(engine.model, { windows: this.#windows });
    }
    this.#reservoir.offer(inputs);
  }

  /** Writes the sample, and logs that or why it failed. */
  async write(log: ServiceLog): Promise<void> {
    if (this.#folder === undefined || this.#reservoir === undefined || this.#model === undefined) return;
    const { windows, seen } = this.#reservoir;
    try {
      await writeCalibrationSet(this.#folder, this.#reservoir, this.#model);
      log.info({ folder: this.#folder, windows, seen }, 'wrote a calibration set');
    } catch (error) {
      log.error({ err: error, folder: this.#folder }, 'the calibration set cannot be written');
    }
  }
}

/** A new version of the model continues the sample unless its windows have other shapes. */
function sameInputs(before: ModelDescription | undefined, now: ModelDescription): boolean {
  return JSON.stringify(before?.inputs) === JSON.stringify(now.inputs);
}

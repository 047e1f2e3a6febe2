// A sample of the requests that were served, for calibrating INT8 variants: kept in memory, written when the service
// stops. No client, server or time is in it.

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

  /** Whether one is asked for. */
  get isTaken(): boolean {
    return this.#folder !== undefined;
  }

  /** Takes a request that was answered; costs nothing where no sample is asked for. */
  offer({ engine }: ServedModel, inputs: ForecastInputs): void {
    if (!this.isTaken) return;
    if (this.#reservoir === undefined || !sameInputs(this.#model, engine.model)) {
      this.#model = engine.model;
      this.#reservoir = new CalibrationReservoir(engine.model, { windows: this.#windows });
    }
    this.#reservoir.offer(inputs);
  }

  /** Writes what was kept; says so, or why not, in the log. */
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

/** A new version of the same model goes on with the sample; windows of another shape cannot. */
function sameInputs(before: ModelDescription | undefined, now: ModelDescription): boolean {
  return JSON.stringify(before?.inputs) === JSON.stringify(now.inputs);
}

// Gathers windows of many servers into the model's inputs: the one copy between the history and the engine.
import { emptyInputs, encoderLengthsOf, type ForecastInputs, sliceInputs } from '../../contract/inputs.js';
import type { SizedModel } from '../../contract/tensors.js';
import { writeCalendar } from '../../history/calendar.js';
import { BLOCK_SERVERS, COMPLETE, type RingBlock } from './block.js';
import type { FleetRing } from './ring.js';
import type { FleetModel } from './shape.js';

/** Memory for a batch of windows, reused for every batch. */
export class WindowBatch {
  readonly #model: FleetModel & SizedModel;
  readonly #inputs: ForecastInputs;
  readonly #sources: Int32Array;
  readonly #capacity: number;
  #calendarOf = Number.NaN;

  constructor(model: FleetModel & SizedModel, capacity: number) {
    this.#model = model;
    this.#capacity = capacity;
    this.#inputs = emptyInputs(model, capacity);
    this.#sources = new Int32Array(capacity);
  }

  /**
   * Writes the windows that end with the step `end`. A step that was not measured repeats the one before it; the steps before
   * the first one that counts repeat that one.
   *
   * @param firsts by server, the first step that counts, from the window's first one: see surveyWindows.
   * @returns views of the batch's memory: do not write to it while the engine reads it.
   */
  gather(
    ring: FleetRing,
    end: number,
    servers: ArrayLike<number>,
    firsts: ArrayLike<number>,
  ): ForecastInputs {
    const { encoderCont, encoderCat, decoderCat } = this.#inputs;
    const { window, maxGap, metrics, categories, stepMs } = ring.shape;
    const { horizon } = this.#model;
    const count = servers.length;
    const blocks = Array.from(servers, (server) => ring.block(server));
    const begin = end - window + 1;
    const sources = this.#sources.fill(-1);
    for (let step = Math.max(begin - maxGap, ring.oldest); step <= end; step++) {
      const row = step - begin;
      for (let index = 0; index < count; index++) {
        const block = blocks[index] as RingBlock;
        const cell = block.cell(step) + ((servers[index] as number) % BLOCK_SERVERS);
        if (block.presence[cell] === COMPLETE) sources[index] = cell;
        const source = sources[index] as number;
        if (row < 0 || source < 0 || row < (firsts[index] as number)) continue;
        const to = index * window + row;
        const { values, codes } = block;
        for (let metric = 0; metric < metrics; metric++) {
          encoderCont[to * metrics + metric] = values[source * metrics + metric] as number;
        }
        for (let category = 0; category < categories; category++) {
          encoderCat[to * categories + category] = codes[source * categories + category] as number;
        }
      }
    }
    for (let index = 0; index < count; index++) {
      const from = index * window;
      const first = from + (firsts[index] as number);
      for (let row = from; row < first; row++) {
        encoderCont.copyWithin(row * metrics, first * metrics, (first + 1) * metrics);
        encoderCat.copyWithin(row * categories, first * categories, (first + 1) * categories);
      }
      const last = (from + window - 1) * categories;
      for (let ahead = 0; ahead < horizon; ahead++) {
        const to = (index * horizon + ahead) * categories;
        for (let category = 0; category < categories; category++) {
          decoderCat[to + category] = encoderCat[last + category] as number;
        }
      }
    }
    const lengths = encoderLengthsOf(this.#inputs);
    for (let index = 0; lengths !== undefined && index < count; index++) {
      // Below the fewest that the model takes, the repeated steps count too.
      lengths[index] = Math.max(this.#model.minEncoderLength ?? window, window - (firsts[index] as number));
    }
    this.#writeCalendar(end, stepMs);
    return count === this.#capacity ? this.#inputs : sliceInputs(this.#inputs, this.#model, 0, count);
  }

  /** It is the same for all servers, so it is written once a step. */
  #writeCalendar(end: number, stepMs: number): void {
    if (this.#calendarOf === end) return;
    this.#calendarOf = end;
    const { decoderCont } = this.#inputs;
    const width = this.#model.horizon * this.#model.known.length;
    writeCalendar(decoderCont.subarray(0, width), this.#model.known, (end + 1) * stepMs, stepMs);
    for (let index = 1; index < this.#capacity; index++) decoderCont.copyWithin(index * width, 0, width);
  }
}

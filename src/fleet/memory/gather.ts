// Gathers windows of many servers into the model's inputs: the one copy between the history and the engine.
import { emptyInputs, encoderLengthsOf, type ForecastInputs, sliceInputs } from '../../contract/inputs.js';
import type { SizedModel } from '../../contract/tensors.js';
import { writeCalendar } from '../../history/calendar.js';
import { BLOCK_SERVERS, COMPLETE, type RingBlock } from './block.js';
import type { FleetRing } from './ring.js';
import type { FleetModel } from './shape.js';

/** Where a server's window is read from, and written to. */
interface Place {
  readonly block: RingBlock;
  /** The server's place in its block. */
  readonly at: number;
  /** The window's first row that counts. */
  readonly first: number;
  /** Where the window begins in the batch, in rows. */
  readonly row: number;
}

/** Memory for a batch of windows and its forecasts, reused for every batch. */
export class WindowBatch {
  readonly #model: FleetModel & SizedModel;
  readonly #inputs: ForecastInputs;
  readonly #capacity: number;
  #forecasts: Float32Array | undefined;
  #calendarOf = Number.NaN;

  constructor(model: FleetModel & SizedModel, capacity: number) {
    this.#model = model;
    this.#capacity = capacity;
    this.#inputs = emptyInputs(model, capacity);
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
    const { window, categories, stepMs } = ring.shape;
    const { horizon } = this.#model;
    const begin = end - window + 1;
    const places = Array.from(servers, (server, index) => ({
      block: ring.block(server),
      at: server % BLOCK_SERVERS,
      first: firsts[index] as number,
      row: index * window,
    }));
    for (const { block, at, first, row } of places) {
      block.copySteps(at, begin + first, end, encoderCont, encoderCat, row + first);
    }
    this.#fillGaps(ring, begin, places);
    for (const [index, { row }] of places.entries()) {
      const last = (row + window - 1) * categories;
      for (let ahead = 0; ahead < horizon; ahead++) {
        const to = (index * horizon + ahead) * categories;
        for (let category = 0; category < categories; category++) {
          decoderCat[to + category] = encoderCat[last + category] as number;
        }
      }
    }
    const count = places.length;
    const lengths = encoderLengthsOf(this.#inputs);
    for (let index = 0; lengths !== undefined && index < count; index++) {
      // Below the fewest that the model takes, the repeated steps count too.
      lengths[index] = Math.max(this.#model.minEncoderLength ?? window, window - (firsts[index] as number));
    }
    this.#writeCalendar(end, stepMs);
    return count === this.#capacity ? this.#inputs : sliceInputs(this.#inputs, this.#model, 0, count);
  }

  /** Memory for the forecasts of the first `count` windows. */
  output(count: number): Float32Array {
    const size = this.#model.horizon * this.#model.quantiles.length;
    this.#forecasts ??= new Float32Array(this.#capacity * size);
    return this.#forecasts.subarray(0, count * size);
  }

  /** Steps that were not measured repeat the one before them, and those before the first one that counts repeat that one. */
  #fillGaps(ring: FleetRing, begin: number, places: readonly Place[]): void {
    const { window } = ring.shape;
    // By step, as presence is stored, so that each row is whole by the time that the next one repeats it.
    for (let step = 0; step < window; step++) {
      const cell = places[0]?.block.cell(begin + step) ?? 0;
      for (const place of places) {
        if (step < place.first || place.block.presence[cell + place.at] === COMPLETE) continue;
        if (step === place.first) this.#reachBack(ring, begin + step, place);
        else this.#repeat(ring, place.row + step - 1, place.row + step);
      }
    }
    for (const { first, row } of places) {
      for (let to = row; to < row + first; to++) this.#repeat(ring, row + first, to);
    }
  }

  /** The window's first row, if it was not measured, is the last step before it that was. */
  #reachBack(ring: FleetRing, step: number, { block, at, first, row }: Place): void {
    const { encoderCont, encoderCat } = this.#inputs;
    for (let from = step - 1; from >= Math.max(step - ring.shape.maxGap, ring.oldest); from--) {
      if (block.presence[block.cell(from) + at] !== COMPLETE) continue;
      block.copySteps(at, from, from, encoderCont, encoderCat, row + first);
      return;
    }
  }

  #repeat({ shape: { metrics, categories } }: FleetRing, from: number, to: number): void {
    const { encoderCont, encoderCat } = this.#inputs;
    encoderCont.copyWithin(to * metrics, from * metrics, (from + 1) * metrics);
    encoderCat.copyWithin(to * categories, from * categories, (from + 1) * categories);
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

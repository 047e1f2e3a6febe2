// Batch while busy: a request that arrives while a lane of the backend is idle runs at once. While all lanes are busy,
// requests are collected in order of arrival into the next batch, up to the maximum. Batching uses no timers.
//
// A request is copied into its place in a batch's slab when it arrives, so the contents of a batch are known then.
// Requests up to the maximum share batches. A larger request has batches of its own; so has a request that arrives
// while several lanes are idle, and it is spread over them evenly. The shared batches and each such request take turns,
// so that a small request waits for one part of a large one at most, never for all of it.

import { TFTError } from '../contract/errors.js';
import { inRequest } from '../contract/input-error.js';
import type { AcceptedInputs, Contract } from '../contract/inputs.js';
import type { Backend, BackendInfo, SlabRunner } from './backend.js';
import { type BackendCounters, Tally } from './counters.js';
import { Deferred } from './deferred.js';
import { queueFull } from './queue-full.js';
import { Request, type RequestOptions, type Results } from './request.js';
import { type Slab, SlabPool } from './slab.js';

/** A run of one request's series inside a batch: `count` series, the first being the request's series `from`. */
interface Piece {
  readonly request: Request;
  readonly from: number;
  readonly count: number;
  slot: number;
}

interface Batch {
  readonly slab: Slab;
  readonly turn: Turn;
  readonly pieces: Piece[];
  filled: number;
  begun: boolean;
}

/** Where `count` series of a request go, the first being its series `from`. */
interface Place {
  readonly batch: Batch;
  readonly slot: number;
  readonly from: number;
  readonly count: number;
}

/** Batches that begin one after another: the shared ones, or those of one request. */
interface Turn {
  readonly waiting: Batch[];
  /** How many of its batches run now. */
  running: number;
}

/** Slabs kept for reuse in addition to those that run: one that is being filled, and a few for bursts. */
const KEPT_SLABS = 3;

/** Turns a SlabRunner into a backend by collecting requests into batches. */
export class BatchQueue implements Backend {
  readonly lends = false;
  readonly info: BackendInfo;
  readonly maxBatch: number;
  readonly origin: string;
  readonly #runner: SlabRunner;
  readonly #contract: Contract;
  readonly #maxGathered: number;
  readonly #limit: number;
  readonly #slabs: SlabPool;
  readonly #tally: Tally;
  readonly #shared: Turn = { waiting: [], running: 0 };
  /** Turns with batches waiting and none running, the next one first. */
  readonly #turns: Turn[] = [];
  /** Turns with a batch running and more waiting. When that batch ends, the turn goes to the back of #turns. */
  readonly #resting: Turn[] = [];
  #waitingSeries = 0;
  #waitingBatches = 0;
  #runningBatches = 0;
  #closed: Deferred | undefined;

  constructor(
    runner: SlabRunner,
    contract: Contract,
    options: { readonly maxBatch: number | undefined; readonly queueLimit: number; readonly origin: string },
  ) {
    this.info = runner.info;
    this.maxBatch = options.maxBatch ?? runner.preferredBatch;
    this.#maxGathered = options.maxBatch ?? runner.preferredGathered;
    this.origin = options.origin;
    this.#runner = runner;
    this.#contract = contract;
    this.#limit = options.queueLimit;
    this.#slabs = new SlabPool(contract.tensors, this.maxBatch, runner.lanes + KEPT_SLABS);
    this.#tally = new Tally(this.maxBatch);
  }

  submit(list: readonly AcceptedInputs[], options: RequestOptions, numbered: boolean): Promise<Results> {
    if (this.#closed) throw new TFTError('ERR_TFT_CLOSED', 'the engine is closed');
    let series = 0;
    for (const inputs of list) series += inputs.batch;
    this.#refuseWhenFull(series);
    const places = this.#placesFor(series);
    const begin = performance.now();
    this.#pack(list, places, numbered);
    this.#tally.inputMicroseconds += (performance.now() - begin) * 1000;
    const request = new Request(series, this.#contract.tensors.outputs, options, ({ code }) => {
      this.#tally.ended(code);
      this.#withdraw(request, places);
    });
    this.#tally.accepted++;
    this.#enqueue(request, places);
    this.#pump();
    request.watch();
    return request.promise;
  }

  counters(): BackendCounters {
    return this.#tally.counters(this.#waitingSeries, this.#runningBatches);
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = new Deferred();
      this.#pump();
    }
    return this.#closed.promise.then(() => this.#runner.close());
  }

  /** The limit is on waiting series: while nothing waits, a request of any size is accepted. */
  #refuseWhenFull(series: number): void {
    if (this.#waitingSeries === 0) return;
    // A batch that lost a request to an abort is no longer full, so the number of batches has its own limit.
    const batches = this.#waitingBatches + Math.ceil(series / this.maxBatch);
    const maxBatches = 2 * Math.ceil(this.#limit / this.maxBatch) + 1;
    if (this.#waitingSeries + series > this.#limit || batches > maxBatches) {
      this.#tally.refused++;
      throw queueFull(this.#waitingSeries, series, this.#limit);
    }
  }

  /** Where a request of this many series goes. A batch that is new here is not in the queue yet. */
  #placesFor(series: number): Place[] {
    const idle = this.#waitingBatches > 0 ? 0 : this.#runner.lanes - this.#runningBatches;
    const lanes = Math.max(1, Math.min(idle, series));
    // As few rounds as possible, each over all of those lanes.
    const parts = Math.min(series, lanes * Math.ceil(series / this.maxBatch / lanes));
    if (parts > 1) {
      const turn: Turn = { waiting: [], running: 0 };
      return Array.from({ length: parts }, (_, index) => {
        const from = Math.floor((series * index) / parts);
        const count = Math.floor((series * (index + 1)) / parts) - from;
        return { batch: this.#emptyBatch(turn), slot: 0, from, count };
      });
    }
    const last = this.#shared.waiting.at(-1);
    const hasRoom = last !== undefined && last.filled + series <= this.#maxGathered;
    const batch = hasRoom ? last : this.#emptyBatch(this.#shared);
    return [{ batch, slot: batch.filled, from: 0, count: series }];
  }

  #emptyBatch(turn: Turn): Batch {
    return { slab: this.#slabs.take(), turn, pieces: [], filled: 0, begun: false };
  }

  #pack(list: readonly AcceptedInputs[], places: readonly Place[], numbered: boolean): void {
    let [index, from] = [0, 0];
    for (const { batch, slot, count } of places) {
      for (let packed = 0; packed < count; ) {
        const inputs = list[index] as AcceptedInputs;
        const some = Math.min(inputs.batch - from, count - packed);
        try {
          this.#contract.pack(inputs, from, some, batch.slab, slot + packed);
        } catch (error) {
          for (const place of places) if (place.batch.filled === 0) this.#slabs.give(place.batch.slab);
          throw numbered ? inRequest(error, index) : error;
        }
        packed += some;
        from += some;
        if (from === inputs.batch) [index, from] = [index + 1, 0];
      }
    }
  }

  #enqueue(request: Request, places: readonly Place[]): void {
    for (const { batch, slot, from, count } of places) {
      if (slot === 0) {
        const { turn } = batch;
        if (turn.waiting.push(batch) === 1) (turn.running > 0 ? this.#resting : this.#turns).push(turn);
        this.#waitingBatches++;
      }
      batch.pieces.push({ request, from, count, slot });
      batch.filled += count;
    }
    this.#waitingSeries += request.series;
  }

  /** Removes those parts of a request from their batches that have not begun to run. */
  #withdraw(request: Request, places: readonly Place[]): void {
    for (const { batch } of places) {
      const index = batch.begun ? -1 : batch.pieces.findIndex((piece) => piece.request === request);
      const piece = batch.pieces[index];
      if (piece === undefined) continue;
      batch.slab.remove(piece.slot, piece.count, batch.filled);
      batch.pieces.splice(index, 1);
      for (const behind of batch.pieces.slice(index)) behind.slot -= piece.count;
      batch.filled -= piece.count;
      this.#waitingSeries -= piece.count;
      if (batch.filled === 0) {
        this.#leave(batch);
        this.#slabs.give(batch.slab);
      }
    }
  }

  #leave(batch: Batch): void {
    const { turn } = batch;
    remove(turn.waiting, batch);
    if (turn.waiting.length === 0) {
      remove(this.#turns, turn);
      remove(this.#resting, turn);
    }
    this.#waitingBatches--;
  }

  #pump(): void {
    while (this.#runningBatches < this.#runner.lanes) {
      const [turn = this.#resting[0]] = this.#turns;
      const batch = turn?.waiting[0];
      if (batch === undefined) break;
      // A request past its deadline leaves here; a batch that is empty then leaves too.
      for (const piece of [...batch.pieces]) piece.request.begin();
      if (batch.filled > 0) this.#run(batch);
    }
    if (this.#runningBatches === 0) this.#closed?.resolve();
  }

  #run(batch: Batch): void {
    const { turn } = batch;
    this.#runningBatches++;
    turn.running++;
    this.#leave(batch);
    if (turn.waiting.length > 0 && remove(this.#turns, turn)) this.#resting.push(turn);
    this.#waitingSeries -= batch.filled;
    batch.begun = true;
    const tally = this.#tally;
    const begin = performance.now();
    for (const { request, from } of batch.pieces) {
      if (from === 0) tally.queueMicroseconds += request.waitedMs * 1000;
    }
    this.#runner.run(batch.slab, batch.filled).then(
      (slab) => {
        const end = performance.now();
        tally.ran(batch.filled, end - begin);
        tally.inferMicroseconds += (end - begin) * 1000 * batch.pieces.length;
        // Start the next batch first, so that the backend works while the results are delivered.
        this.#next(turn);
        for (const { request, slot, from, count } of batch.pieces) {
          if (request.answer(slab.outputs, slot, from, count)) tally.succeeded++;
        }
        tally.outputMicroseconds += (performance.now() - end) * 1000 * batch.pieces.length;
        this.#slabs.give(slab);
      },
      (error: TFTError) => {
        for (const { request } of batch.pieces) request.fail(error);
        this.#next(turn);
      },
    );
  }

  /** Called when a batch of this turn has ended. */
  #next(turn: Turn): void {
    this.#runningBatches--;
    turn.running--;
    if (remove(this.#resting, turn)) this.#turns.push(turn);
    this.#pump();
  }
}

/** Removes `item` from `list`. @returns whether it was there. */
function remove<T>(list: T[], item: T): boolean {
  const index = list.indexOf(item);
  if (index >= 0) list.splice(index, 1);
  return index >= 0;
}

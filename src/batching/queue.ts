// Batch while busy: a request that finds a lane of the backend idle runs at once; while all are busy, waiting requests
// gather in order of arrival into the next batch, up to the maximum. There are no timers for batching.
//
// A request is copied into its place in a batch's slab when it arrives, so a batch's make-up is settled then.
// Requests up to the maximum share batches; a larger one has batches of its own, and so has one that finds several
// lanes idle, which it then fills evenly. The shared batches and each such request take turns, so that a small request
// waits for one part of each large one and never for all.

import { TFTError } from '../contract/errors.js';
import { inRequest } from '../contract/input-error.js';
import type { AcceptedInputs, Contract } from '../contract/inputs.js';
import type { Backend, BackendInfo, SlabRunner } from './backend.js';
import { type EngineCounters, Tally } from './counters.js';
import { Request, type RequestOptions, type Results } from './request.js';
import { type Slab, SlabPool } from './slab.js';

/** Servers of one request inside a batch: `count` from the request's server `from` on lie from `slot` on. */
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

/** Where `count` servers of a request go, from its server `from` on. */
interface Place {
  readonly batch: Batch;
  readonly slot: number;
  readonly from: number;
  readonly count: number;
}

/** Batches that begin in order: the shared ones, or those of one request. */
interface Turn {
  readonly waiting: Batch[];
  /** Its batches that run now. */
  running: number;
}

/** The slabs that are kept for reuse beside those that run: one that fills, and a few for bursts. */
const KEPT_SLABS = 3;

/** A backend made of something that runs slabs: gathers requests into batches for it. */
export class BatchQueue implements Backend {
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
  /** The turns that have batches waiting and whose turn it is, the next one first. */
  readonly #turns: Turn[] = [];
  /** Those that have batches waiting and one running: when that has ended they queue up, behind who came meanwhile. */
  readonly #resting: Turn[] = [];
  #waitingServers = 0;
  #waitingBatches = 0;
  #runningBatches = 0;
  #closed: { promise: Promise<void>; resolve: () => void } | undefined;

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
    let servers = 0;
    for (const inputs of list) servers += inputs.batch;
    this.#refuseWhenFull(servers);
    const places = this.#placesFor(servers);
    const begin = performance.now();
    this.#pack(list, places, numbered);
    this.#tally.inputMicroseconds += (performance.now() - begin) * 1000;
    const request = new Request(servers, this.#contract.tensors.outputs, options, ({ code }) => {
      this.#tally.ended(code);
      this.#withdraw(request, places);
    });
    this.#tally.accepted++;
    this.#enqueue(request, places);
    this.#pump();
    request.watch();
    return request.promise;
  }

  counters(): EngineCounters {
    return {
      ...this.#tally,
      batchSizes: [...this.#tally.batchSizes],
      waitingServers: this.#waitingServers,
      runningBatches: this.#runningBatches,
    };
  }

  close(): Promise<void> {
    if (!this.#closed) {
      let resolve = () => {};
      const promise = new Promise<void>((done) => {
        resolve = done;
      });
      this.#closed = { promise, resolve };
      this.#pump();
    }
    return this.#closed.promise.then(() => this.#runner.close());
  }

  /** One large request is always taken when nothing waits: the limit is on what piles up. */
  #refuseWhenFull(servers: number): void {
    if (this.#waitingServers === 0) return;
    // Batches that lost a request to an abort are not full, so their number has a limit of its own.
    const batches = this.#waitingBatches + Math.ceil(servers / this.maxBatch);
    const maxBatches = 2 * Math.ceil(this.#limit / this.maxBatch) + 1;
    if (this.#waitingServers + servers > this.#limit || batches > maxBatches) {
      this.#tally.refused++;
      throw new TFTError(
        'ERR_TFT_QUEUE_FULL',
        `${this.#waitingServers} servers are waiting and ${servers} more would pass the limit of ` +
          `${this.#limit}; try again later or raise queueLimit`,
        { details: { waiting: this.#waitingServers, servers, limit: this.#limit } },
      );
    }
  }

  /** Where a request of so many servers goes; a batch that it begins is not in the queue yet. */
  #placesFor(servers: number): Place[] {
    const idle = this.#waitingBatches > 0 ? 0 : this.#runner.lanes - this.#runningBatches;
    const lanes = Math.max(1, Math.min(idle, servers));
    // As many rounds as there must be, each over all those lanes.
    const parts = Math.min(servers, lanes * Math.ceil(servers / this.maxBatch / lanes));
    if (parts > 1) {
      const turn: Turn = { waiting: [], running: 0 };
      return Array.from({ length: parts }, (_, index) => {
        const from = Math.floor((servers * index) / parts);
        const count = Math.floor((servers * (index + 1)) / parts) - from;
        return { batch: this.#emptyBatch(turn), slot: 0, from, count };
      });
    }
    const last = this.#shared.waiting.at(-1);
    const hasRoom = last !== undefined && last.filled + servers <= this.#maxGathered;
    const batch = hasRoom ? last : this.#emptyBatch(this.#shared);
    return [{ batch, slot: batch.filled, from: 0, count: servers }];
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
    this.#waitingServers += request.servers;
  }

  /** Takes what has not begun of a request out of its batches. */
  #withdraw(request: Request, places: readonly Place[]): void {
    for (const { batch } of places) {
      const index = batch.begun ? -1 : batch.pieces.findIndex((piece) => piece.request === request);
      const piece = batch.pieces[index];
      if (piece === undefined) continue;
      batch.slab.remove(piece.slot, piece.count, batch.filled);
      batch.pieces.splice(index, 1);
      for (const behind of batch.pieces.slice(index)) behind.slot -= piece.count;
      batch.filled -= piece.count;
      this.#waitingServers -= piece.count;
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
      // A request whose time is over leaves here, and with the last one the batch.
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
    this.#waitingServers -= batch.filled;
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
        // The next batch first, so that the backend works while the results are handed out.
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

  /** A batch of this turn has ended. */
  #next(turn: Turn): void {
    this.#runningBatches--;
    turn.running--;
    if (remove(this.#resting, turn)) this.#turns.push(turn);
    this.#pump();
  }
}

/** Takes `item` out of `list`. @returns whether it was there. */
function remove<T>(list: T[], item: T): boolean {
  const index = list.indexOf(item);
  if (index >= 0) list.splice(index, 1);
  return index >= 0;
}

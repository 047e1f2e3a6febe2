// Batch while busy: a request that finds the backend idle runs at once; while it is busy, waiting requests
// gather in order of arrival into the next batch, up to the maximum. There are no timers for batching.
//
// A request is copied into its place in a batch's slab when it arrives, so a batch's make-up is settled then.
// Requests up to the maximum share batches; a larger one has batches of its own. The shared batches and each
// large request take turns, so that a small request waits for one part of each large one and never for all.
import type { Backend, BackendInfo, SlabRunner } from './backends/backend.js';
import type { AcceptedInputs, Contract } from './contract.js';
import { type EngineCounters, Tally } from './counters.js';
import { inRequest, TFTError } from './errors.js';
import { Request, type RequestOptions } from './request.js';
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

/** Batches that run in order: the shared ones, or those of one large request. */
type Turn = Batch[];

/** The slabs that are kept for reuse: one that runs, one that fills, and a few for bursts. */
const KEPT_SLABS = 4;

/** A backend made of something that runs one slab at a time: gathers requests into batches for it. */
export class BatchQueue implements Backend {
  readonly info: BackendInfo;
  readonly maxBatch: number;
  readonly origin: string;
  readonly #runner: SlabRunner;
  readonly #contract: Contract;
  readonly #limit: number;
  readonly #slabs: SlabPool;
  readonly #tally: Tally;
  readonly #shared: Turn = [];
  /** The turns that have batches waiting, the next one first. */
  readonly #turns: Turn[] = [];
  #waitingServers = 0;
  #waitingBatches = 0;
  /** The turn whose batch runs. It queues up again when that batch has ended, behind who came meanwhile. */
  #running: Turn | undefined;
  #closed: { promise: Promise<void>; resolve: () => void } | undefined;

  constructor(
    runner: SlabRunner,
    contract: Contract,
    options: { readonly maxBatch: number | undefined; readonly queueLimit: number; readonly origin: string },
  ) {
    this.info = runner.info;
    this.maxBatch = options.maxBatch ?? runner.preferredBatch;
    this.origin = options.origin;
    this.#runner = runner;
    this.#contract = contract;
    this.#limit = options.queueLimit;
    this.#slabs = new SlabPool(contract.sizes, this.maxBatch, KEPT_SLABS);
    this.#tally = new Tally(this.maxBatch);
  }

  submit(list: readonly AcceptedInputs[], options: RequestOptions, numbered: boolean): Promise<Float32Array> {
    if (this.#closed) throw new TFTError('ERR_TFT_CLOSED', 'the engine is closed');
    let servers = 0;
    for (const inputs of list) servers += inputs.batch;
    this.#refuseWhenFull(servers);
    const batches = this.#batchesFor(servers);
    const begin = performance.now();
    this.#pack(list, batches, numbered);
    this.#tally.inputMicroseconds += (performance.now() - begin) * 1000;
    const request = new Request(servers, this.#contract.sizes.predictions, options, ({ code }) => {
      this.#tally.ended(code);
      this.#withdraw(request, batches);
    });
    this.#tally.accepted++;
    this.#enqueue(request, batches);
    this.#pump();
    request.watch();
    return request.promise;
  }

  counters(): EngineCounters {
    return {
      ...this.#tally,
      batchSizes: [...this.#tally.batchSizes],
      waitingServers: this.#waitingServers,
      runningBatches: this.#running === undefined ? 0 : 1,
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
    const mostBatches = 2 * Math.ceil(this.#limit / this.maxBatch) + 1;
    if (this.#waitingServers + servers > this.#limit || batches > mostBatches) {
      this.#tally.refused++;
      throw new TFTError(
        'ERR_TFT_QUEUE_FULL',
        `${this.#waitingServers} servers are waiting and ${servers} more would pass the limit of ` +
          `${this.#limit}; try again later or raise queueLimit`,
        { details: { waiting: this.#waitingServers, servers, limit: this.#limit } },
      );
    }
  }

  /** The batches that a request of so many servers goes into; empty ones are not in the queue yet. */
  #batchesFor(servers: number): Batch[] {
    if (servers > this.maxBatch) {
      const turn: Turn = [];
      return Array.from({ length: Math.ceil(servers / this.maxBatch) }, () => this.#emptyBatch(turn));
    }
    const last = this.#shared.at(-1);
    const hasRoom = last !== undefined && last.filled + servers <= this.maxBatch;
    return [hasRoom ? last : this.#emptyBatch(this.#shared)];
  }

  #emptyBatch(turn: Turn): Batch {
    return { slab: this.#slabs.take(), turn, pieces: [], filled: 0, begun: false };
  }

  #pack(list: readonly AcceptedInputs[], batches: readonly Batch[], numbered: boolean): void {
    let position = batches[0]?.filled ?? 0;
    for (let index = 0; index < list.length; index++) {
      const inputs = list[index] as AcceptedInputs;
      for (let from = 0; from < inputs.batch; ) {
        const slot = position % this.maxBatch;
        const { slab } = batches[Math.floor(position / this.maxBatch)] as Batch;
        const count = Math.min(inputs.batch - from, this.maxBatch - slot);
        try {
          this.#contract.pack(inputs, from, count, slab, slot);
        } catch (error) {
          for (const batch of batches) if (batch.filled === 0) this.#slabs.give(batch.slab);
          throw numbered ? inRequest(error, index) : error;
        }
        from += count;
        position += count;
      }
    }
  }

  #enqueue(request: Request, batches: readonly Batch[]): void {
    let from = 0;
    for (const batch of batches) {
      const slot = batch.filled;
      const count = Math.min(request.servers - from, this.maxBatch - slot);
      if (slot === 0) {
        if (batch.turn.push(batch) === 1 && batch.turn !== this.#running) this.#turns.push(batch.turn);
        this.#waitingBatches++;
      }
      batch.pieces.push({ request, from, count, slot });
      batch.filled += count;
      from += count;
    }
    this.#waitingServers += request.servers;
  }

  /** Takes what has not begun of a request out of its batches. */
  #withdraw(request: Request, batches: readonly Batch[]): void {
    for (const batch of batches) {
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
    turn.splice(turn.indexOf(batch), 1);
    if (turn.length === 0 && turn !== this.#running) this.#turns.splice(this.#turns.indexOf(turn), 1);
    this.#waitingBatches--;
  }

  #pump(): void {
    while (this.#running === undefined) {
      const batch = this.#turns[0]?.[0];
      if (batch === undefined) break;
      // A request whose time is over leaves here, and with the last one the batch.
      for (const piece of [...batch.pieces]) piece.request.begin();
      if (batch.filled > 0) this.#run(batch);
    }
    if (this.#running === undefined) this.#closed?.resolve();
  }

  #run(batch: Batch): void {
    this.#turns.shift();
    this.#running = batch.turn;
    this.#leave(batch);
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
        this.#next();
        for (const { request, slot, from, count } of batch.pieces) {
          if (request.answer(slab.predictions, slot, from, count)) tally.succeeded++;
        }
        tally.outputMicroseconds += (performance.now() - end) * 1000 * batch.pieces.length;
        this.#slabs.give(slab);
      },
      (error: TFTError) => {
        for (const { request } of batch.pieces) request.fail(error);
        this.#next();
      },
    );
  }

  #next(): void {
    if (this.#running && this.#running.length > 0) this.#turns.push(this.#running);
    this.#running = undefined;
    this.#pump();
  }
}

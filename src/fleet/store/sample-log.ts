// The samples of steps that are not in the store yet, in append-only files: accepted samples survive the end of the process at
// any moment. A file belongs to the step that was open while it was written. It is deleted once later steps are in the store.
//
// A file is a sequence of frames: length, checksum, entries. The samples of an incomplete frame were never accepted.
import {
  closeSync,
  fdatasync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  write,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import type { Sample, SampleLog } from '../ingest/intake.js';
import type { StoredServer } from './store.js';

const FRAME = 8;
const SERVER = 1;
const SAMPLE = 2;
/** type, place, time, whether it is a record, whether it was late */
const SAMPLE_HEAD = 15;
const NAME = /^samples-(-?\d+)\.log$/;
/** A sample for the second step after the open one is in the store once that step has closed. */
const STEPS_AHEAD = 2;
const FIRST_BUFFER = 64 * 1024;

const writeAll = promisify(write) as unknown as (
  file: number,
  bytes: Buffer,
  offset: number,
  length: number,
) => Promise<{ bytesWritten: number }>;
const sync = promisify(fdatasync);

export interface SampleLogOptions {
  readonly path: string;
  readonly metrics: number;
  readonly categories: number;
  /** Whether a sample is accepted only when it is on disk. */
  readonly flush: boolean;
}

/** A sample as it was logged. */
export interface LoggedSample {
  readonly place: number;
  readonly time: number;
  readonly values: Float32Array;
  readonly codes: Uint16Array;
  readonly isRecord: boolean;
  /** Whether its step had closed already. */
  readonly isLate: boolean;
}

export interface LogReader {
  server(place: number, server: StoredServer): void;
  /** @param open the step that was open when it was logged. */
  sample(sample: LoggedSample, open: number): void;
}

interface Frame {
  readonly step: number;
  readonly buffer: Buffer;
  readonly length: number;
}

export class FileSampleLog implements SampleLog {
  readonly #options: SampleLogOptions;
  /** By step; a file that is not open for writing has no descriptor. */
  readonly #files = new Map<number, { descriptor: number | undefined; bytes: number }>();
  /** Data for files of earlier steps, to be written before the buffer. */
  #queue: Frame[] = [];
  #open = Number.NaN;
  #declared: (StoredServer | undefined)[] = [];
  #buffer = Buffer.allocUnsafe(FIRST_BUFFER);
  #used = FRAME;
  #writing: Promise<void> | undefined;
  #problem: Error | undefined;

  constructor(options: SampleLogOptions) {
    this.#options = options;
    mkdirSync(options.path, { recursive: true });
  }

  /** Why samples are not durable, such as a full disk; undefined if they are. */
  get problem(): Error | undefined {
    return this.#problem;
  }

  /** Reads all files, the oldest first. Call it before anything is appended. */
  read(reader: LogReader): void {
    const steps = readdirSync(this.#options.path)
      .flatMap((name) => NAME.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
    for (const step of steps) {
      this.#files.set(step, { descriptor: undefined, bytes: this.#readFile(step, reader) });
    }
  }

  append(place: number, server: StoredServer, sample: Sample, codes: Int32Array, isLate: boolean): void {
    const { metrics, categories } = this.#options;
    const before = this.#declared[place];
    if (
      before === undefined ||
      before.name !== server.name ||
      before.profile !== server.profile ||
      before.status !== server.status
    ) {
      this.#declare(place, { ...server });
    }
    this.#reserve(SAMPLE_HEAD + metrics * 4 + categories * 2);
    const buffer = this.#buffer;
    let at = this.#used;
    buffer[at] = SAMPLE;
    buffer.writeUInt32LE(place, at + 1);
    buffer.writeDoubleLE(sample.time, at + 5);
    buffer[at + 13] = sample.isRecord ? 1 : 0;
    buffer[at + 14] = isLate ? 1 : 0;
    at += SAMPLE_HEAD;
    for (let metric = 0; metric < metrics; metric++, at += 4) {
      buffer.writeFloatLE(sample.values[metric] as number, at);
    }
    for (let category = 0; category < categories; category++, at += 2) {
      buffer.writeUInt16LE(codes[category] as number, at);
    }
    this.#used = at;
  }

  /** Resolves when everything appended has been written, or could not be: then `problem` says why. */
  async flushed(): Promise<void> {
    // The write in progress may have begun before the last append; the next one includes everything.
    while (this.#writing !== undefined) await this.#writing;
    if (this.#used === FRAME && this.#queue.length === 0) return;
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined;
    });
    await this.#writing;
  }

  /** From now on, samples are appended to a later step's file. */
  openStep(step: number): void {
    if (step === this.#open) return;
    this.#takeBuffer();
    this.#open = step;
    this.#declared = [];
  }

  /** Deletes the files whose samples are all in the store, which has the steps up to this one. */
  forget(stored: number): void {
    for (const [step, { descriptor }] of this.#files) {
      if (step + STEPS_AHEAD > stored || step >= this.#open) continue;
      if (descriptor !== undefined) closeSync(descriptor);
      rmSync(this.#pathOf(step), { force: true });
      this.#files.delete(step);
    }
  }

  async close(): Promise<void> {
    await this.flushed();
    for (const { descriptor } of this.#files.values()) if (descriptor !== undefined) closeSync(descriptor);
    this.#files.clear();
  }

  #pathOf(step: number): string {
    return join(this.#options.path, `samples-${step}.log`);
  }

  #declare(place: number, server: StoredServer): void {
    this.#declared[place] = server;
    const text = Buffer.from(JSON.stringify([server.name, server.profile, server.status]));
    this.#reserve(9 + text.length);
    this.#buffer[this.#used] = SERVER;
    this.#buffer.writeUInt32LE(place, this.#used + 1);
    this.#buffer.writeUInt32LE(text.length, this.#used + 5);
    text.copy(this.#buffer, this.#used + 9);
    this.#used += 9 + text.length;
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, this.#used + bytes));
    this.#buffer.copy(larger, 0, 0, this.#used);
    this.#buffer = larger;
  }

  #takeBuffer(): void {
    if (this.#used === FRAME) return;
    this.#queue.push({ step: this.#open, buffer: this.#buffer, length: this.#used });
    this.#buffer = Buffer.allocUnsafe(Math.max(FIRST_BUFFER, this.#used));
    this.#used = FRAME;
  }

  async #write(): Promise<void> {
    this.#takeBuffer();
    const frames = this.#queue;
    this.#queue = [];
    for (const frame of frames) await this.#writeFrame(frame);
  }

  async #writeFrame({ step, buffer, length }: Frame): Promise<void> {
    buffer.writeUInt32LE(length - FRAME, 0);
    buffer.writeUInt32LE(crc32(buffer.subarray(FRAME, length)), 4);
    const file = this.#files.get(step) ?? { descriptor: undefined, bytes: 0 };
    this.#files.set(step, file);
    try {
      file.descriptor ??= openSync(this.#pathOf(step), 'a');
      for (let from = 0; from < length; ) {
        const { bytesWritten } = await writeAll(file.descriptor, buffer, from, length - from);
        from += bytesWritten;
      }
      if (this.#options.flush) await sync(file.descriptor);
      file.bytes += length;
      this.#problem = undefined;
    } catch (error) {
      this.#problem = error as Error;
      // The servers defined in this frame must be defined again: nothing can be read behind an incomplete frame.
      this.#declared = [];
      if (file.descriptor !== undefined) ftruncateSync(file.descriptor, file.bytes);
    }
  }

  /** @returns the bytes of complete frames; the file is truncated after them. */
  #readFile(step: number, reader: LogReader): number {
    const bytes = readFileSync(this.#pathOf(step));
    let at = 0;
    while (at + FRAME <= bytes.length) {
      const end = at + FRAME + bytes.readUInt32LE(at);
      if (end > bytes.length || crc32(bytes.subarray(at + FRAME, end)) !== bytes.readUInt32LE(at + 4)) break;
      this.#readEntries(bytes.subarray(at + FRAME, end), step, reader);
      at = end;
    }
    if (at < bytes.length) truncateSync(this.#pathOf(step), at);
    return at;
  }

  #readEntries(bytes: Buffer, step: number, reader: LogReader): void {
    const { metrics, categories } = this.#options;
    for (let at = 0; at < bytes.length; ) {
      const place = bytes.readUInt32LE(at + 1);
      if (bytes[at] === SERVER) {
        const length = bytes.readUInt32LE(at + 5);
        const [name, profile, status] = JSON.parse(
          bytes.toString('utf8', at + 9, at + 9 + length),
        ) as string[];
        reader.server(place, { name: name ?? '', profile: profile ?? '', status: status ?? '' });
        at += 9 + length;
        continue;
      }
      const time = bytes.readDoubleLE(at + 5);
      const isRecord = bytes[at + 13] === 1;
      const isLate = bytes[at + 14] === 1;
      at += SAMPLE_HEAD;
      const values = Float32Array.from({ length: metrics }, (_, metric) =>
        bytes.readFloatLE(at + 4 * metric),
      );
      at += 4 * metrics;
      const codes = Uint16Array.from({ length: categories }, (_, index) =>
        bytes.readUInt16LE(at + 2 * index),
      );
      at += 2 * categories;
      reader.sample({ place, time, values, codes, isRecord, isLate }, step);
    }
  }
}

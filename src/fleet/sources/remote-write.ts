// Receives Prometheus's remote write, version 1: snappy over protobuf. It takes the series named after one of the model's
// metrics, alone or prefixed with `tft_input:`, as recording rules write them. A label names the server.
import { setImmediate } from 'node:timers/promises';
import protobuf from 'protobufjs/minimal.js';
import { uncompress } from 'snappyjs';
import { badBody, HttpError, refusal } from '../../service/index.js';
import type { SourceStatus } from '../api.js';
import type { Fleet } from '../fleet.js';
import { FIELD, WIRE_BITS } from '../prompb.js';
import { type Source, SourceLedger } from './source.js';

const PREFIX = 'tft_input:';
/** Prometheus never sends more bytes or samples: its default is 2,000 samples a request. */
const MAX_UNPACKED = 8 * 2 ** 20;
const MAX_SAMPLES = 50_000;
const MOMENTS_A_TURN = 2000;
/** Fields, which may be as short as two bytes, that are read in one turn of the event loop. */
const FIELDS_A_TURN = 5000;
/** The memory of a moment in addition to its values. */
const MOMENT_BYTES = 256;
/** The newest sample of each metric of a server, so that repeated samples are recognized. */
type Newest = Map<string, Float64Array>;

export class RemoteWrite implements Source {
  readonly #fleet: Fleet;
  readonly #label: string;
  readonly #ledger = new SourceLedger('remote write', 'remote-write');
  readonly #indices: ReadonlyMap<string, number>;
  readonly #newest: Newest = new Map();

  /** @param label the label that names a server. */
  constructor(fleet: Fleet, label: string) {
    this.#fleet = fleet;
    this.#label = label;
    this.#indices = new Map(
      fleet.model.metrics.flatMap(({ name }, index) => [
        [name, index],
        [PREFIX + name, index],
      ]),
    );
  }

  get status(): SourceStatus {
    return this.#ledger.status;
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  /**
   * Takes a request's body, a slice in each turn of the event loop.
   *
   * @param hold counts the memory that is used for it.
   * @throws HttpError ERR_TFT_HTTP_BODY for an invalid request, ERR_TFT_HTTP_TOO_LARGE, and what `hold` throws; none of the
   * request is taken then.
   */
  async take(body: Uint8Array, hold: (bytes: number) => void): Promise<void> {
    const moments = new Map<string, Moment>();
    try {
      hold(Math.min(unpackedLength(body), MAX_UNPACKED));
      for (const _turn of this.#read(uncompress(body, MAX_UNPACKED), moments, hold)) await setImmediate();
    } catch (error) {
      this.#ledger.failed(error);
      if (error instanceof HttpError) throw error;
      throw badBody(`the body is no remote write request: ${(error as Error).message}`, error);
    }
    const { intake, model } = this.#fleet;
    const categories = model.categories.map(() => undefined);
    let accepted = 0;
    let newest: number | undefined;
    let taken = 0;
    for (const { server, time, values } of moments.values()) {
      if (++taken % MOMENTS_A_TURN === 0) await setImmediate();
      this.#remember(server, time, values);
      if (intake.take({ server, time, values, categories, isRecord: false }) !== 'accepted') continue;
      accepted++;
      newest = Math.max(newest ?? time, time);
    }
    this.#ledger.succeeded(accepted, newest);
  }

  /**
   * Joins the samples of one server at one time: the series of a target share the time of its scrape. Yields where
   * the event loop should have its turn.
   */
  *#read(bytes: Uint8Array, moments: Map<string, Moment>, hold: (bytes: number) => void): Generator<void> {
    const reader = protobuf.Reader.create(bytes);
    const size = MOMENT_BYTES + Float64Array.BYTES_PER_ELEMENT * this.#fleet.model.metrics.length;
    let fields = 0;
    let samples = 0;
    let held = 0;
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag >>> WIRE_BITS === FIELD.timeseries) {
        const series = readSeries(reader);
        fields += series.fields;
        samples += series.samples.length;
        if (samples > MAX_SAMPLES) {
          throw refusal(
            'ERR_TFT_HTTP_TOO_LARGE',
            `there are more than ${MAX_SAMPLES.toLocaleString('en')} samples; send fewer in a request (max_samples_per_send)`,
          );
        }
        this.#place(series, moments);
        hold((moments.size - held) * size);
        held = moments.size;
      } else reader.skipType(tag & 7);
      if (++fields < FIELDS_A_TURN) continue;
      yield;
      fields = 0;
    }
  }

  #place({ labels, samples }: Series, moments: Map<string, Moment>): void {
    const metric = this.#indices.get(labels.get('__name__') ?? '');
    const server = labels.get(this.#label);
    if (metric === undefined || server === undefined) return;
    for (const [time, value] of samples) {
      // Prometheus sends NaN when a series ends.
      if (!Number.isFinite(value) || !this.#isNew(server, metric, time)) continue;
      const key = `${time} ${server}`;
      let moment = moments.get(key);
      if (moment === undefined) {
        moment = {
          server,
          time,
          values: new Float64Array(this.#fleet.model.metrics.length).fill(Number.NaN),
        };
        moments.set(key, moment);
      }
      moment.values[metric] = value;
    }
  }

  /** Samples of a series arrive in order, so one that is not newer is a repetition. */
  #isNew(server: string, metric: number, time: number): boolean {
    return !(time <= (this.#newest.get(server)?.[metric] ?? Number.NEGATIVE_INFINITY));
  }

  #remember(server: string, time: number, values: Float64Array): void {
    let times = this.#newest.get(server);
    if (times === undefined) {
      // The roster has no room for them either.
      if (this.#newest.size >= this.#fleet.settings.maxFleet) return;
      times = new Float64Array(values.length).fill(Number.NEGATIVE_INFINITY);
      this.#newest.set(server, times);
    }
    for (let metric = 0; metric < values.length; metric++) {
      if (!Number.isNaN(values[metric])) times[metric] = Math.max(times[metric] as number, time);
    }
  }
}

interface Moment {
  readonly server: string;
  readonly time: number;
  readonly values: Float64Array;
}

interface Series {
  readonly labels: ReadonlyMap<string, string>;
  readonly samples: readonly (readonly [time: number, value: number])[];
  /** How many fields were read. */
  readonly fields: number;
}

/** @throws HttpError ERR_TFT_HTTP_TOO_LARGE for a series with too many fields. */
function readSeries(reader: protobuf.Reader): Series {
  const end = reader.uint32() + reader.pos;
  const labels = new Map<string, string>();
  const samples: [number, number][] = [];
  let fields = 0;
  while (reader.pos < end) {
    if (++fields > MAX_SAMPLES) throw refusal('ERR_TFT_HTTP_TOO_LARGE', 'a series has too many fields');
    const tag = reader.uint32();
    if (tag >>> WIRE_BITS === FIELD.labels) labels.set(...readLabel(reader));
    else if (tag >>> WIRE_BITS === FIELD.samples) samples.push(readSample(reader));
    else reader.skipType(tag & 7);
  }
  return { labels, samples, fields };
}

function readLabel(reader: protobuf.Reader): [string, string] {
  const end = reader.uint32() + reader.pos;
  let name = '';
  let value = '';
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag >>> WIRE_BITS === FIELD.name) name = reader.string();
    else if (tag >>> WIRE_BITS === FIELD.labelValue) value = reader.string();
    else reader.skipType(tag & 7);
  }
  return [name, value];
}

function readSample(reader: protobuf.Reader): [number, number] {
  const end = reader.uint32() + reader.pos;
  let value = Number.NaN;
  let time = 0;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag >>> WIRE_BITS === FIELD.value) value = reader.double();
    else if (tag >>> WIRE_BITS === FIELD.timestamp) time = Number(reader.int64());
    else reader.skipType(tag & 7);
  }
  return [time, value];
}

/** The number that a body packed by Snappy begins with; `uncompress` reports errors in it. */
function unpackedLength(body: Uint8Array): number {
  let length = 0;
  for (let at = 0; at < 5; at++) {
    const byte = body[at] ?? 0;
    length += (byte & 127) * 2 ** (7 * at);
    if (byte < 128) break;
  }
  return length;
}

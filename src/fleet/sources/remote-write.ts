// Receives Prometheus's remote write, version 1: snappy over protobuf. Series are taken whose name is one of the model's metrics, as
// it is or behind `tft_input:`, as recording rules give them; the server is in a label.
import protobuf from 'protobufjs/minimal.js';
import { uncompress } from 'snappyjs';
import type { SourceStatus } from '../api.js';
import type { Fleet } from '../fleet.js';
import { type Source, SourceLedger } from './source.js';

const PREFIX = 'tft_input:';
/** What unpacks to more is no request of Prometheus, whose default is 2,000 samples. */
const MOST_UNPACKED = 32 * 2 ** 20;
/** Field numbers of prometheus.WriteRequest, .TimeSeries, .Label and .Sample (prompb/remote.proto, prompb/types.proto). */
const FIELD = {
  timeseries: 1,
  labels: 1,
  samples: 2,
  name: 1,
  labelValue: 2,
  value: 1,
  timestamp: 2,
} as const;
const WIRE_BITS = 3;

/** The newest sample of each metric of a server, so that what is sent again is known. */
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
   * Takes a request's body.
   *
   * @throws Error where it is not what Prometheus sends; nothing of it was taken then.
   */
  take(body: Uint8Array): void {
    let moments: Map<string, Moment>;
    try {
      moments = this.#read(uncompress(body, MOST_UNPACKED));
    } catch (error) {
      this.#ledger.failed(error);
      throw new Error(`the body is no remote write request: ${(error as Error).message}`, { cause: error });
    }
    const { intake, model } = this.#fleet;
    const categories = model.categories.map(() => undefined);
    let accepted = 0;
    let newest: number | undefined;
    for (const { server, time, values } of moments.values()) {
      if (intake.take({ server, time, values, categories, isRecord: false }) !== 'accepted') continue;
      accepted++;
      newest = Math.max(newest ?? time, time);
    }
    this.#ledger.succeeded(accepted, newest);
  }

  /** What belongs to one server at one time, put together: the series of a target have the times of its scrape. */
  #read(bytes: Uint8Array): Map<string, Moment> {
    const moments = new Map<string, Moment>();
    const reader = protobuf.Reader.create(bytes);
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag >>> WIRE_BITS === FIELD.timeseries) this.#readSeries(reader, moments);
      else reader.skipType(tag & 7);
    }
    return moments;
  }

  #readSeries(reader: protobuf.Reader, moments: Map<string, Moment>): void {
    const end = reader.uint32() + reader.pos;
    let metric: number | undefined;
    let server: string | undefined;
    const samples: [number, number][] = [];
    while (reader.pos < end) {
      const tag = reader.uint32();
      if (tag >>> WIRE_BITS === FIELD.labels) {
        const [name, value] = readLabel(reader);
        if (name === '__name__') metric = this.#indices.get(value);
        else if (name === this.#label) server = value;
      } else if (tag >>> WIRE_BITS === FIELD.samples) samples.push(readSample(reader));
      else reader.skipType(tag & 7);
    }
    if (metric === undefined || server === undefined) return;
    for (const [time, value] of samples) {
      // Of a series that ended, Prometheus sends NaN.
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

  /** Samples of a series come in order, so what is not newer came before. */
  #isNew(server: string, metric: number, time: number): boolean {
    let times = this.#newest.get(server);
    if (times === undefined) {
      // There is no room for them either where samples go.
      if (this.#newest.size >= this.#fleet.settings.maxFleet) return true;
      times = new Float64Array(this.#fleet.model.metrics.length).fill(Number.NEGATIVE_INFINITY);
      this.#newest.set(server, times);
    }
    if (time <= (times[metric] as number)) return false;
    times[metric] = time;
    return true;
  }
}

interface Moment {
  readonly server: string;
  readonly time: number;
  readonly values: Float64Array;
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

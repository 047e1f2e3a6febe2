// The body of a remote write request, version 1: protobuf packed by Snappy.
// https://prometheus.io/docs/specs/prw/remote_write_spec/
import protobuf from 'protobufjs/minimal.js';
import { compress } from 'snappyjs';
import { FIELD, WIRE, WIRE_BITS } from '../prompb.js';

/** A series with one sample. */
export interface WrittenSeries {
  /** With the metric's name as `__name__`. Labels without a value are left out. */
  readonly labels: Readonly<Record<string, string>>;
  /** Undefined to say that the series has ended. */
  readonly value: number | undefined;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** The bits of the NaN that marks the end of a series. Writing it as a number could change them. */
const STALE = { low: 2, high: 0x7ff00000, unsigned: true };

const TAG = {
  timeseries: tag(FIELD.timeseries, WIRE.bytes),
  labels: tag(FIELD.labels, WIRE.bytes),
  samples: tag(FIELD.samples, WIRE.bytes),
  name: tag(FIELD.name, WIRE.bytes),
  labelValue: tag(FIELD.labelValue, WIRE.bytes),
  value: tag(FIELD.value, WIRE.fixed64),
  timestamp: tag(FIELD.timestamp, WIRE.varint),
};

/** @returns the body for requests with the headers {@link WRITE_HEADERS}. */
export function writeRequest(list: readonly WrittenSeries[]): Uint8Array<ArrayBuffer> {
  const writer = protobuf.Writer.create();
  for (const { labels, value, time } of list) {
    writer.uint32(TAG.timeseries).fork();
    for (const [name, text] of sorted(labels)) {
      writer.uint32(TAG.labels).fork();
      writer.uint32(TAG.name).string(name).uint32(TAG.labelValue).string(text).ldelim();
    }
    writer.uint32(TAG.samples).fork().uint32(TAG.value);
    if (value === undefined) writer.fixed64(STALE);
    else writer.double(value);
    writer.uint32(TAG.timestamp).int64(time).ldelim().ldelim();
  }
  return new Uint8Array(compress(writer.finish()));
}

export const WRITE_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'application/x-protobuf',
  'content-encoding': 'snappy',
  'x-prometheus-remote-write-version': '0.1.0',
};

/** Receivers require the order of the names' characters. */
function sorted(labels: Readonly<Record<string, string>>): [name: string, text: string][] {
  return Object.entries(labels)
    .filter(([, text]) => text !== '')
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function tag(field: number, wire: number): number {
  return (field << WIRE_BITS) | wire;
}

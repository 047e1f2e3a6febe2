// The numbers of Prometheus's remote write, version 1: of the fields of prometheus.WriteRequest, .TimeSeries, .Label and
// .Sample (prompb/remote.proto, prompb/types.proto), as protobuf writes them.

export const FIELD = {
  timeseries: 1,
  labels: 1,
  samples: 2,
  name: 1,
  labelValue: 2,
  value: 1,
  timestamp: 2,
} as const;

/** A field's tag is its number, and in the lowest bits the type of its value. */
export const WIRE_BITS = 3;
export const WIRE = { varint: 0, fixed64: 1, bytes: 2 } as const;

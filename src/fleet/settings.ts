// Every setting of the daemon beside the service's own, with its type, limits, default and meaning. Flags, environment
// variables, the help and the documentation's table are derived from here.
import { z } from 'zod';
import { describeSettings, readSettings, readSettingsFile, type Setting } from '../service/index.js';
import { shownAddress } from './endpoint.js';

const count = z.int().positive();

/** The default name and labels of forecasts at /metrics. */
const DEFAULT_METRIC_FORMAT: Readonly<Record<string, string>> = {
  __name__: 'tft_forecast',
  server: '$SERVER',
  metric: '$METRIC',
  quantile: '$QUANTILE',
  horizon: '$HORIZON',
};

export const fleetSchema = z.strictObject({
  data: z
    .string()
    .min(1)
    .optional()
    .describe('the folder that history is kept in; without it nothing survives a restart'),
  retentionDays: z.number().positive().max(3650).default(14).describe('how long history is kept on disk'),
  durability: z
    .enum(['process', 'disk'])
    .default('process')
    .describe("what accepted samples survive: the process's end, or the machine's, which waits for the disk"),
  prometheus: z
    .array(z.string().min(1))
    .default([])
    .describe('addresses of Prometheus-compatible servers to pull from, such as http://localhost:9090'),
  mapping: z
    .string()
    .min(1)
    .default('node_exporter')
    .describe("which PromQL gives the model's metrics: node_exporter, windows_exporter or a file"),
  prometheusTokenFile: z.string().min(1).optional().describe('a file with the bearer token for them'),
  prometheusTimeoutSeconds: z
    .number()
    .positive()
    .default(30)
    .describe('how long an answer of theirs may take'),
  remoteWriteLabel: z
    .string()
    .min(1)
    .default('instance')
    .describe('the label that names a server in what remote write brings'),
  replay: z
    .string()
    .min(1)
    .optional()
    .describe("a history file to play as if it happened now; 'demo' is the sample that ships with the model"),
  replayMap: z.string().min(1).optional().describe('a column map for that file'),
  speed: z
    .number()
    .nonnegative()
    .default(60)
    .describe('how many times faster than it was; 0 is as fast as forecasts can be made'),
  replayAheadHours: z
    .number()
    .nonnegative()
    .default(48)
    .describe('how much of the file is played as fast as possible first; what the model reads at least'),

  maxFleet: count
    .default(100_000)
    .describe('the largest number of servers; samples of further names are refused'),
  maxGapMinutes: z.number().nonnegative().default(60).describe('gaps of up to this length are filled'),
  allowSparse: z
    .boolean()
    .default(false)
    .describe('forecast servers also when most of their window is filled'),
  warmUpMinutes: z
    .number()
    .nonnegative()
    .default(60)
    .describe('the history that a server must have before its first forecast'),
  futureSeconds: z.number().nonnegative().default(60).describe('how far ahead of the clock a sample may be'),
  graceSeconds: z
    .number()
    .nonnegative()
    .default(10)
    .describe('how long after its end a step waits for samples before it is forecast from'),
  everySeconds: z
    .number()
    .positive()
    .optional()
    .describe('forecast this often, from the samples that are there; by default once a step'),
  threshold: z
    .number()
    .optional()
    .describe("what risk and crossing times refer to; by default 90 % of the target's maximum"),
  horizons: z
    .array(z.number().positive())
    .min(1)
    .default([5, 60, 240, 480])
    .describe('minutes ahead for which past forecasts are kept, scored, and exposed as metrics'),
  metricFormat: z
    .record(z.string(), z.string())
    .default(DEFAULT_METRIC_FORMAT)
    .describe(
      'name and labels of forecasts at /metrics and for receivers, as JSON, with $SERVER, $METRIC, $QUANTILE, $HORIZON, $PROFILE',
    ),
  metricSeries: count
    .default(20_000)
    .describe('the largest number of series of forecasts at /metrics, and written to receivers'),
  remoteWriteTo: z
    .array(z.string().min(1))
    .default([])
    .describe(
      'receivers of remote write that get the forecasts of each run, such as http://localhost:9090/api/v1/write',
    ),
  remoteWriteToTokenFile: z.string().min(1).optional().describe('a file with the bearer token for them'),
  remoteWriteToHeaders: z
    .record(z.string(), z.string())
    .default({})
    .describe('further headers for them, as JSON, such as {"X-Scope-OrgID":"tenant"}'),
  remoteWriteToTimeoutSeconds: z
    .number()
    .positive()
    .default(30)
    .describe('how long a request to them may take'),
  fallback: z
    .enum(['none', 'best'])
    .default('none')
    .describe("'best' gives servers the naive forecast where the model's were worse in earlier steps"),
  rules: z
    .string()
    .min(1)
    .optional()
    .describe('a file of alert rules; without it there is one, for the threshold that risk refers to'),
  alertsDryRun: z.boolean().default(false).describe('alerts are kept and shown, but not sent'),
  shard: z
    .string()
    .regex(/^[1-9]\d*\/[1-9]\d*$/, 'a part of a whole, such as 2/8')
    .optional()
    .describe('take only this part of the servers, by a hash of their names, such as 2/8'),
});

/** The daemon's settings with their defaults. */
export type FleetSettings = Readonly<z.infer<typeof fleetSchema>>;

/** All settings of the daemon. */
export const fleetSettings: readonly Setting[] = describeSettings(fleetSchema.shape, 'TFT_FLEET_');

/** Where the daemon's settings come from. */
export interface FleetSettingSources {
  /** The values of the command line, as text, by key. */
  readonly flags?: Readonly<Record<string, string | boolean | undefined>>;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** A JSON file that may hold the service's settings too. */
  readonly file?: string | undefined;
}

/** @throws TFTError ERR_TFT_OPTION that names the key and its source; ERR_TFT_FILE for the file. */
export function readFleetSettings({
  flags = {},
  environment = {},
  file,
}: FleetSettingSources): FleetSettings {
  const keys = fleetSettings.map(({ key }) => key);
  const values =
    file === undefined
      ? {}
      : Object.fromEntries(Object.entries(readSettingsFile(file)).filter(([key]) => keys.includes(key)));
  return readSettings({
    schema: fleetSchema,
    settings: fleetSettings,
    prefix: 'TFT_FLEET_',
    command: 'tft fleet',
    flags,
    environment,
    file: file === undefined ? undefined : { path: file, values },
    paths: ['data', 'prometheusTokenFile', 'remoteWriteToTokenFile', 'replayMap', 'rules'],
    secret: ['prometheus', 'remoteWriteTo', 'remoteWriteToHeaders'],
    otherVariables: [],
  }).data;
}

/** The settings as they may be shown: without users and passwords of addresses, and values of headers. */
export function printableFleetSettings(settings: FleetSettings): FleetSettings {
  const headers = Object.keys(settings.remoteWriteToHeaders).map((name) => [name, '***']);
  return {
    ...settings,
    prometheus: settings.prometheus.map(shownAddress),
    remoteWriteTo: settings.remoteWriteTo.map(shownAddress),
    remoteWriteToHeaders: Object.fromEntries(headers) as Record<string, string>,
  };
}

// What the daemon answers to its page and to programs, as zod schemas with their types. The OpenAPI document is made of
// them, and tests check real answers against them. Times are ISO 8601 in UTC.
import { z } from 'zod';

const time = z.iso.datetime();
const measured = z.number().nullable();

/** Whether a forecast was made, and why not. */
export const SERVER_STATES = ['ready', 'warming-up', 'stale', 'refused'] as const;
export const RISK_LEVELS = ['ok', 'warning', 'critical'] as const;
export const FORECAST_SOURCES = ['model', 'naive'] as const;
export const ALERT_STATES = ['pending', 'firing', 'resolved'] as const;

const state = z
  .enum(SERVER_STATES)
  .describe(
    "'ready': forecast each step; 'warming-up': fewer steps than the model reads, the oldest one is repeated for those " +
      "before it; 'stale': no samples for longer than a gap may be; 'refused': no forecast can be made",
  );
const source = z
  .enum(FORECAST_SOURCES)
  .describe("'naive': not the model's, as its forecasts of this server were worse than the best naive one");

/** When a forecast crosses a threshold: the first step at which each quantile does. */
export const crossing = z
  .strictObject({
    threshold: z.number(),
    earliest: time.nullable().describe('the quantile 0.9, or the nearest that the model has'),
    likely: time.nullable().describe('the median'),
    latest: time.nullable().describe('the quantile 0.1, or the nearest that the model has'),
  })
  .meta({ id: 'FleetCrossing' });

export const overviewRow = z
  .strictObject({
    server: z.string(),
    profile: z.string(),
    status: z.string(),
    state,
    risk: z
      .number()
      .min(0)
      .max(100)
      .describe(
        'the largest probability over the steps ahead that the target is over the threshold, in per cent',
      ),
    level: z.enum(RISK_LEVELS),
    now: measured.describe('the newest measured value of the target'),
    peak: z
      .strictObject({ value: z.number(), at: time, low: z.number(), high: z.number() })
      .nullable()
      .describe("the median's maximum ahead, with the quantiles 0.1 and 0.9 of that step"),
    crossing: crossing.nullable().describe('null where not even the quantile 0.9 crosses'),
    ageSeconds: z.number().nullable().describe('since the newest sample'),
    filledSteps: z.int().describe('of the steps that the model read, how many were filled'),
    source,
    spark: z.array(measured).max(48).describe('24 points of the past, then 24 of the median ahead'),
  })
  .meta({ id: 'FleetServer' });

export const overview = z
  .strictObject({
    time,
    stepMinutes: z.number(),
    horizon: z.int(),
    model: z.strictObject({
      name: z.string(),
      target: z.string(),
      unit: z.string(),
      minimum: z.number().nullable(),
      maximum: z.number().nullable(),
    }),
    quantiles: z.array(z.number()),
    threshold: z.number().nullable().describe('what risk and crossing refer to'),
    simulated: z.boolean().describe('whether the servers are simulated'),
    counts: z.strictObject({
      servers: z.int(),
      warmingUp: z.int(),
      stale: z.int(),
      alerts: z.int().describe('that fire'),
    }),
    lastRun: z.strictObject({ at: time, servers: z.int(), milliseconds: z.number() }).nullable(),
    servers: z.array(overviewRow),
  })
  .meta({ id: 'FleetOverview' });

export const alert = z
  .strictObject({
    id: z.string(),
    rule: z.string(),
    severity: z.string(),
    server: z.string(),
    metric: z.string(),
    state: z.enum(ALERT_STATES),
    since: time,
    text: z.string(),
    value: measured,
    threshold: z.number(),
    crossing: crossing.omit({ threshold: true }).nullable(),
    labels: z.record(z.string(), z.string()),
  })
  .meta({ id: 'FleetAlert' });

export const alertRule = z
  .looseObject({ name: z.string(), severity: z.string(), metric: z.string(), threshold: z.number() })
  .meta({ id: 'FleetAlertRule' });

export const alerts = z
  .strictObject({
    active: z.array(alert),
    recent: z.array(alert).describe('resolved ones, the newest first'),
    rules: z.array(alertRule),
  })
  .meta({ id: 'FleetAlerts' });

/** The accuracy of the forecasts of one horizon. */
export const accuracyHorizon = z
  .strictObject({
    horizonMinutes: z.number(),
    count: z.int().describe('forecasts scored'),
    pinball: measured.describe('mean over forecasts and quantiles, in the unit of the target'),
    naivePinball: measured.describe('of the best naive forecast'),
    naive: z.string().nullable().describe('which naive forecast was the best'),
    coverage80: measured.describe('the share of values between the quantiles 0.1 and 0.9'),
  })
  .meta({ id: 'FleetAccuracyHorizon' });

export const accuracy = z
  .strictObject({
    since: time.nullable(),
    horizons: z.array(accuracyHorizon),
    profiles: z.array(z.strictObject({ profile: z.string(), horizons: z.array(accuracyHorizon) })),
    stale: z.boolean().describe('whether the model has become worse than the best naive forecast'),
  })
  .meta({ id: 'FleetAccuracy' });

const weights = z.array(
  z.strictObject({
    name: z.string().describe("the model's"),
    label: z.string().describe('the same for people'),
    weight: z.number().describe('a share of 1'),
  }),
);

export const explanation = z
  .strictObject({
    at: time.describe('the newest step that the forecast read'),
    variables: weights.describe('of the past, the heaviest first: the mean over its steps'),
    ahead: weights.describe('known ahead: the mean over the horizon'),
    statics: weights.describe('of the window as a whole'),
    attention: z
      .array(z.strictObject({ at: time.describe('its beginning'), weight: z.number() }))
      .describe('by hours of the past, or bins of attentionMinutes, oldest first; together at most 1'),
    attentionMinutes: z.number(),
    parts: z
      .array(
        z.strictObject({
          fromMinutes: z.number(),
          toMinutes: z.number(),
          weights: z.array(z.number()).describe('by the same bins'),
        }),
      )
      .describe('the attention of parts of the horizon, the nearest first'),
  })
  .meta({ id: 'FleetExplanation' });

export const serverDetail = z
  .strictObject({
    server: z.string(),
    profile: z.string(),
    status: z.string(),
    state,
    source,
    history: z.strictObject({
      start: time,
      stepMinutes: z.number(),
      values: z.array(measured),
      filled: z.array(z.boolean()).describe('whether the value was carried over from the step before'),
    }),
    forecast: z
      .strictObject({
        madeAt: time,
        start: time,
        stepMinutes: z.number(),
        quantiles: z.array(z.number()),
        values: z
          .array(z.array(z.number()))
          .describe('[steps][quantiles], sorted and within the range of the target'),
      })
      .nullable(),
    past: z.array(
      z.strictObject({
        horizonMinutes: z.number(),
        points: z.array(z.strictObject({ at: time, quantiles: z.array(z.number()) })),
      }),
    ),
    alerts: z.array(alert),
    accuracy: z.array(accuracyHorizon).nullable(),
    explanation: explanation.nullable(),
  })
  .meta({ id: 'FleetServerDetail' });

/** The answer to GET /explain/{server}. */
export const explained = serverDetail
  .pick({ server: true, state: true, source: true, explanation: true })
  .extend({ reason: z.string().nullable().describe('why there is no explanation') })
  .meta({ id: 'FleetExplained' });

export const sourceStatus = z
  .strictObject({
    name: z.string(),
    kind: z.string(),
    lastSuccess: time.nullable(),
    lagSeconds: z.number().nullable(),
    records: z.int(),
    errors: z.int(),
    lastError: z.string().nullable(),
  })
  .meta({ id: 'FleetSource' });

/** A receiver of forecasts. Its counts are of samples: the values of series. */
export const receiverStatus = z
  .strictObject({
    name: z.string(),
    kind: z.string(),
    waiting: z.int(),
    written: z.int(),
    refused: z.int().describe('by the receiver'),
    lost: z.int().describe('because the queue was full'),
    failures: z.int().describe('of requests; those that may succeed later are sent again'),
    lastSuccess: time.nullable(),
    lastError: z.string().nullable(),
  })
  .meta({ id: 'FleetReceiver' });

/** The numbers of samples accepted, and refused by reason. */
export const ingestionCounters = z
  .strictObject({
    accepted: z.int(),
    merged: z.int().describe('of the accepted, those averaged with others of their step'),
    late: z
      .int()
      .describe('of a step that has closed; taken into the history, not into forecasts already made'),
    repeated: z.int(),
    tooOld: z.int(),
    future: z.int(),
    invalid: z.int(),
    flooded: z.int().describe('of new servers beyond the limit'),
  })
  .meta({ id: 'FleetIngestion' });

export const fleetStatus = z
  .strictObject({
    version: z.string(),
    startedAt: time,
    engine: z
      .strictObject({ ready: z.boolean(), backend: z.string(), device: z.string(), maxBatch: z.int() })
      .nullable(),
    queue: z.strictObject({
      due: z.int().describe('servers whose forecast is older than their newest step'),
      oldestSeconds: z.number().nullable(),
      forecasts: z.int().describe('since the start'),
      failures: z.int(),
      lastError: z.string().nullable(),
    }),
    store: z
      .strictObject({
        path: z.string(),
        bytes: z.int(),
        steps: z.int(),
        healthy: z.boolean(),
        problem: z.string().nullable().describe('such as a full disk; forecasting goes on'),
      })
      .nullable()
      .describe('null where nothing is kept on disk'),
    memoryBytes: z.int().describe('of the history in memory'),
    sources: z.array(sourceStatus),
    receivers: z.array(receiverStatus).describe('of forecasts'),
    ingestion: ingestionCounters,
    shard: z.string().nullable(),
  })
  .meta({ id: 'FleetStatus' });

/** The data of the server-sent event `step`. */
export const stepEvent = z
  .strictObject({ time, servers: z.array(overviewRow) })
  .meta({ id: 'FleetStepEvent' });
/** The data of the server-sent event `alert`. */
export const alertEvent = z.strictObject({ alert }).meta({ id: 'FleetAlertEvent' });

export type ServerState = (typeof SERVER_STATES)[number];
export type RiskLevel = (typeof RISK_LEVELS)[number];
export type ForecastSource = (typeof FORECAST_SOURCES)[number];
export type AlertState = (typeof ALERT_STATES)[number];
export type Crossing = z.infer<typeof crossing>;
export type OverviewRow = z.infer<typeof overviewRow>;
export type Overview = z.infer<typeof overview>;
export type Alert = z.infer<typeof alert>;
export type AlertRule = z.infer<typeof alertRule>;
export type Alerts = z.infer<typeof alerts>;
export type AccuracyHorizon = z.infer<typeof accuracyHorizon>;
export type Accuracy = z.infer<typeof accuracy>;
export type Explanation = z.infer<typeof explanation>;
export type ServerDetail = z.infer<typeof serverDetail>;
export type SourceStatus = z.infer<typeof sourceStatus>;
export type ReceiverStatus = z.infer<typeof receiverStatus>;
export type IngestionCounters = z.infer<typeof ingestionCounters>;
export type FleetStatus = z.infer<typeof fleetStatus>;
export type StepEvent = z.infer<typeof stepEvent>;
export type AlertEvent = z.infer<typeof alertEvent>;

// The JSON of forecasts: what `tft predict --json` prints, /forecast answers and JSON.stringify makes of a FleetForecast.
//
// schemas/forecast.schema.json is made of this, and tests hold all three against it.
import { z } from 'zod';
import { BACKENDS, PRECISIONS } from './contract/names.js';
import type { HistoryWarning } from './history/index.js';

const time = z.iso.datetime();

const weight = z.number().min(0).max(1);
const weights = z.array(z.strictObject({ name: z.string(), weight }));
const explanation = z
  .strictObject({
    static: weights.describe('of the static variables, the heaviest first'),
    encoder: weights.describe("of the variables of the past: their mean over the encoder's steps"),
    decoder: weights.describe('of the variables known ahead: their mean over the horizon'),
    attention: z
      .array(
        z.strictObject({
          from: z.int().describe('the first step of this part of the horizon, from 0'),
          to: z.int().describe('the step after its last'),
          weights: z.array(weight).describe('the attention to each step of the past, oldest first'),
        }),
      )
      .describe('by parts of the horizon'),
  })
  .describe('what the forecast rests on, where that was asked for; docs/export.md defines it');

const serverForecast = z.strictObject({
  server: z.string(),
  now: z.number().describe("the target's newest value"),
  start: time.describe('the time of the first step'),
  stepMinutes: z.number().positive(),
  times: z.array(time).describe('the time of each step'),
  quantiles: z.array(z.number().gt(0).lt(1)).describe('the quantiles of `values`, increasing'),
  explanation: explanation.optional(),
  values: z
    .array(z.array(z.number()))
    .describe("[steps][quantiles], in the target's unit; shortest decimals of a float32"),
});

const refused = z.strictObject({
  server: z.string(),
  code: z.string().describe('stable, one of docs/errors.md'),
  message: z.string(),
});

const WARNINGS = {
  filled: true,
  short: true,
  stale: true,
  repeated: true,
  conflicting: true,
  merged: true,
  incomplete: true,
  category: true,
  calendar: true,
  range: true,
  clipped: true,
  scale: true,
  constant: true,
} as const satisfies Record<HistoryWarning['kind'], true>;

const warning = z.strictObject({
  kind: z.enum(Object.keys(WARNINGS) as HistoryWarning['kind'][]),
  message: z.string(),
  count: z.number().describe('how many rows, steps or values it is about'),
  server: z.string().optional().describe('the server, where it is about one'),
});

/** The forecasts of a fleet, as JSON. */
export const forecastSchema = z
  .strictObject({
    model: z.string(),
    simulated: z.literal(true).optional().describe('the history is simulated: these servers do not exist'),
    target: z.string().describe('the metric that is forecast'),
    unit: z.string().describe("the target's unit; '' where it has none"),
    backend: z.enum(BACKENDS).describe('what ran the model'),
    precision: z.enum([...PRECISIONS, 'unknown']),
    sorted: z.boolean().describe("whether each step's quantiles were put in order"),
    clipped: z.boolean().describe("whether the values were kept within the target's range"),
    forecasts: z.array(serverForecast),
    refused: z.array(refused).describe('servers that cannot be forecast, and why'),
    warnings: z.array(warning).describe('what was filled, merged or doubtful in the measurements'),
  })
  .meta({ id: 'Forecasts' });

export type ForecastJson = z.infer<typeof forecastSchema>;

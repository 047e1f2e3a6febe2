// POST /feed/data: records of servers in JSON, as the original daemon took them. Valid records are accepted even if others in
// the body are invalid; the answer says what is wrong with each invalid one.
import { z } from 'zod';
import { parseTimestamp } from '../../history/timestamp.js';
import { scanRows } from '../../service/http/json/row-scan.js';
import type { FleetModel } from '../memory/shape.js';
import type { Intake, Outcome } from './intake.js';

export const feedRequest = z
  .looseObject({
    records: z.array(
      z
        .looseObject({
          timestamp: z
            .union([z.string(), z.number()])
            .describe('ISO 8601, in UTC if it names no zone; or milliseconds'),
          server_name: z.string(),
          profile: z.string().optional(),
          status: z.string().optional(),
        })
        .describe("and the model's metrics by name; a metric that is null or left out was not measured"),
    ),
  })
  .meta({ id: 'FeedRequest' });

export const feedAnswer = z
  .strictObject({
    accepted: z.int(),
    refused: z.int(),
    repeated: z.int().describe('taken before; sending again is safe'),
    elsewhere: z.int().describe("of servers that are another shard's"),
    durable: z.boolean().describe('whether the accepted records survive the end of the process'),
    problems: z
      .array(z.strictObject({ record: z.int(), server: z.string().nullable(), reason: z.string() }))
      .describe('of the first hundred records that were refused'),
  })
  .meta({ id: 'FeedAnswer' });

export type FeedAnswer = z.infer<typeof feedAnswer>;

const MAX_PROBLEMS = 100;
/** The largest number of records in a body. A fleet of 100,000 servers sends several. */
export const MAX_RECORDS = 50_000;
const REASONS: Readonly<Record<Exclude<Outcome, 'accepted' | 'repeated' | 'elsewhere'>, string>> = {
  tooOld:
    'its time is older than any forecast can still use, or its step has a value already and is long closed',
  future: "its time is ahead of this machine's clock",
  invalid: 'it has no metric that is a finite number, or its name cannot be one',
  flooded: 'there is no room for a further server; see maxFleet',
};

/** Reads records for one model. */
export class FeedReader {
  readonly #metrics: readonly string[];
  readonly #categories: readonly string[];
  readonly #values: Float64Array;

  constructor(model: FleetModel) {
    this.#metrics = model.metrics.map(({ name }) => name);
    this.#categories = model.categories.map(({ name }) => name);
    this.#values = new Float64Array(this.#metrics.length);
  }

  /**
   * Takes the records of a body, a slice in each turn of the event loop.
   *
   * @throws HttpError ERR_TFT_HTTP_BODY or ERR_TFT_HTTP_TOO_LARGE for a body that is not a list of records, or stops being one
   * at some place; the records before that place are accepted.
   */
  async take(body: Buffer, intake: Intake): Promise<FeedAnswer> {
    const answer: FeedAnswer = {
      accepted: 0,
      refused: 0,
      repeated: 0,
      elsewhere: 0,
      durable: false,
      problems: [],
    };
    const take = (record: unknown, index: number) => {
      const reason = this.#takeRecord(record, intake, answer);
      if (reason === undefined) return;
      answer.refused++;
      if (answer.problems.length >= MAX_PROBLEMS) return;
      const name = (record as { server_name?: unknown } | null)?.server_name;
      const server = typeof name === 'string' ? name.slice(0, 200) : null;
      answer.problems.push({ record: index, server, reason });
    };
    await scanRows(body, take, () => {}, { key: 'records', maxRows: MAX_RECORDS });
    return answer;
  }

  /** @returns why it was refused; undefined if it was accepted. */
  #takeRecord(record: unknown, intake: Intake, answer: FeedAnswer): string | undefined {
    const invalid = (reason: string) => {
      intake.countInvalid();
      return reason;
    };
    if (typeof record !== 'object' || record === null) return invalid('it is no object');
    const fields = record as Record<string, unknown>;
    const { server_name: server, timestamp } = fields;
    if (typeof server !== 'string') return invalid('server_name is missing, or no text');
    const time = timeOf(timestamp);
    if (Number.isNaN(time)) return invalid('timestamp is missing, or no time such as 2026-01-31T22:05:00Z');
    for (let metric = 0; metric < this.#metrics.length; metric++) {
      const name = this.#metrics[metric] as string;
      const value = fields[name];
      if (value === null || value === undefined) this.#values[metric] = Number.NaN;
      else if (typeof value === 'number' && Number.isFinite(value)) this.#values[metric] = value;
      else return invalid(`${name} is no finite number`);
    }
    const categories: (string | undefined)[] = [];
    for (const name of this.#categories) {
      const value = fields[name];
      if (value !== undefined && value !== null && typeof value !== 'string')
        return invalid(`${name} is no text`);
      categories.push(value ?? undefined);
    }
    const outcome = intake.take({ server, time, values: this.#values, categories, isRecord: true });
    if (outcome === 'accepted') answer.accepted++;
    else if (outcome === 'repeated') answer.repeated++;
    else if (outcome === 'elsewhere') answer.elsewhere++;
    else return REASONS[outcome];
    return undefined;
  }
}

function timeOf(value: unknown): number {
  if (typeof value === 'number') return Number.isFinite(value) ? value : Number.NaN;
  return typeof value === 'string' ? parseTimestamp(value) : Number.NaN;
}

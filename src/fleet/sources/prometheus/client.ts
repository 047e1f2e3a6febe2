// Queries ranges from a Prometheus-compatible server: Prometheus, VictoriaMetrics, Mimir, Thanos.
import { z } from 'zod';
import { Endpoint, reasonOf } from '../../endpoint.js';

export interface PrometheusClientOptions {
  /** The base URL, such as http://localhost:9090, with user and password if it needs them. */
  readonly url: string;
  /** A file with a bearer token, read for each request. */
  readonly tokenFile?: string | undefined;
  /** Milliseconds that an answer may take. A request that hangs must not delay the next ones. */
  readonly timeoutMs: number;
}

/** One series of an answer. */
export interface RangeSeries {
  readonly labels: Readonly<Record<string, string>>;
  /** Pairs of seconds since 1970 and the value as text. */
  readonly values: readonly (readonly [number, string])[];
}

const answerSchema = z.object({
  status: z.string(),
  error: z.string().optional(),
  data: z
    .object({
      resultType: z.string(),
      result: z.array(
        z.object({
          metric: z.record(z.string(), z.string()),
          values: z.array(z.tuple([z.number(), z.string()])),
        }),
      ),
    })
    .optional(),
});

const MAX_SHOWN = 300;

export class PrometheusClient {
  readonly #endpoint: Endpoint;
  readonly #query: URL;
  readonly #timeoutMs: number;

  /** @throws TFTError ERR_TFT_OPTION for an invalid address. */
  constructor({ url, tokenFile, timeoutMs }: PrometheusClientOptions) {
    this.#endpoint = new Endpoint({
      url,
      tokenFile,
      setting: 'prometheus',
      example: 'http://localhost:9090',
    });
    const base = new URL(this.#endpoint.url);
    if (!base.pathname.endsWith('/')) base.pathname += '/';
    this.#query = new URL('api/v1/query_range', base);
    this.#timeoutMs = timeoutMs;
  }

  /** Without user and password. */
  get shownUrl(): string {
    return this.#endpoint.shownUrl;
  }

  /**
   * The values of a query at `from`, `from + step` … up to `to`, all in milliseconds.
   *
   * @throws Error with the server's message.
   */
  async range(
    query: string,
    { from, to, step }: { from: number; to: number; step: number },
    signal?: AbortSignal,
  ): Promise<readonly RangeSeries[]> {
    const seconds = (milliseconds: number) => String(milliseconds / 1000);
    const body = new URLSearchParams({ query, start: seconds(from), end: seconds(to), step: seconds(step) });
    const limit = AbortSignal.timeout(this.#timeoutMs);
    const answer = await fetch(this.#query, {
      method: 'POST',
      body,
      headers: this.#endpoint.headers(),
      signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
    }).catch((error: unknown) => {
      throw new Error(`${this.shownUrl}: ${reasonOf(error)}`, { cause: error });
    });
    const text = await answer.text();
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      throw new Error(`${this.shownUrl} answers ${answer.status} with no JSON: ${text.slice(0, MAX_SHOWN)}`);
    }
    const parsed = answerSchema.safeParse(json);
    if (!parsed.success) throw new Error(`${this.shownUrl} does not answer as Prometheus does`);
    const { status, error, data } = parsed.data;
    if (status !== 'success' || data === undefined) {
      throw new Error(
        `${this.shownUrl} refuses the query: ${(error ?? status).slice(0, MAX_SHOWN)}; query: ${query}`,
      );
    }
    return data.result.map(({ metric, values }) => ({ labels: metric, values }));
  }
}

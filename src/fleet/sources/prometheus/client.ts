// Queries ranges from a Prometheus-compatible server: Prometheus, VictoriaMetrics, Mimir, Thanos.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { TFTError } from '../../../contract/errors.js';

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
  readonly #url: URL;
  readonly #authorization: string | undefined;
  readonly #options: PrometheusClientOptions;

  /** @throws TFTError ERR_TFT_OPTION for an invalid address. */
  constructor(options: PrometheusClientOptions) {
    this.#options = options;
    let url: URL;
    try {
      url = new URL(options.url);
    } catch (cause) {
      throw new TFTError(
        'ERR_TFT_OPTION',
        `prometheus: '${options.url}' is no address such as http://localhost:9090`,
        {
          cause,
        },
      );
    }
    if (url.username !== '') {
      const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
      this.#authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
    }
    url.username = '';
    url.password = '';
    if (!url.pathname.endsWith('/')) url.pathname += '/';
    this.#url = url;
  }

  /** Without user and password. */
  get shownUrl(): string {
    return this.#url.href.replace(/\/$/, '');
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
    const limit = AbortSignal.timeout(this.#options.timeoutMs);
    const token =
      this.#options.tokenFile === undefined
        ? undefined
        : `Bearer ${readFileSync(this.#options.tokenFile, 'utf8').trim()}`;
    const authorization = token ?? this.#authorization;
    const answer = await fetch(new URL('api/v1/query_range', this.#url), {
      method: 'POST',
      body,
      headers: authorization === undefined ? {} : { authorization },
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

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  return error.cause instanceof Error ? error.cause.message : error.message;
}

// The address of another server, with the credentials that it asks for.
import { readFileSync } from 'node:fs';
import { TFTError } from '../contract/errors.js';

export interface EndpointOptions {
  /** The address, with user and password if it needs them. */
  readonly url: string;
  /** A file with a bearer token, read for each request. */
  readonly tokenFile?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The setting that it comes from, and a valid address, for messages. */
  readonly setting: string;
  readonly example: string;
}

export class Endpoint {
  /** Without user and password. */
  readonly url: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #tokenFile: string | undefined;

  /** @throws TFTError ERR_TFT_OPTION for an invalid address or header. */
  constructor({ url: text, tokenFile, headers = {}, setting, example }: EndpointOptions) {
    this.url = addressOf(text, setting, example);
    const { username, password } = this.url;
    this.url.username = '';
    this.url.password = '';
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    const basic = `Basic ${Buffer.from(pair).toString('base64')}`;
    this.#headers = {
      ...(username === '' ? {} : { authorization: basic }),
      ...checkedHeaders(headers, setting),
    };
    this.#tokenFile = tokenFile;
  }

  get shownUrl(): string {
    return this.url.href.replace(/\/$/, '');
  }

  /** The headers of the next request. @throws Error if the token's file cannot be read. */
  headers(): Record<string, string> {
    if (this.#tokenFile === undefined) return { ...this.#headers };
    return { ...this.#headers, authorization: `Bearer ${readFileSync(this.#tokenFile, 'utf8').trim()}` };
  }
}

function addressOf(text: string, setting: string, example: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol)) return url;
  throw new TFTError(
    'ERR_TFT_OPTION',
    `${setting}: '${shownAddress(text)}' is no address such as ${example}`,
  );
}

/** With their names in lower case. */
function checkedHeaders(headers: Readonly<Record<string, string>>, setting: string): Record<string, string> {
  try {
    return Object.fromEntries(new Headers({ ...headers }));
  } catch (cause) {
    throw new TFTError(
      'ERR_TFT_OPTION',
      `${setting}: its headers cannot be sent; they have invalid characters`,
      {
        cause,
      },
    );
  }
}

/** An address without user and password, also if it is invalid. */
export function shownAddress(url: string): string {
  return url.replace(/\/\/[^/]*@/, '//***@');
}

/** Why a request failed, in short. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  return error.cause instanceof Error ? error.cause.message : error.message;
}

// Decides which web pages may send requests. Any page can make a browser send requests to this machine, under another name
// (DNS rebinding) or with a plain form. Programs are not affected, and can use keys.
import type { IncomingHttpHeaders } from 'node:http';
import { isLoopback } from '../config/loopback.js';
import type { ServiceConfig } from '../config/schema.js';
import { refusal } from './http-error.js';

type OriginSettings = Pick<
  ServiceConfig,
  'host' | 'socket' | 'apiKeys' | 'apiKeysFile' | 'allowedHosts' | 'corsOrigins'
>;

const ANY = '*';

/** Checks the headers Host and Origin. */
export class Origins {
  readonly #isChecked: boolean;
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;

  constructor({ host, socket, apiKeys, apiKeysFile, allowedHosts, corsOrigins }: OriginSettings) {
    const hasKeys = apiKeys.length > 0 || apiKeysFile !== undefined;
    // If keys are needed, a page has none; it cannot reach a Unix socket.
    this.#isChecked = !hasKeys && socket === undefined && isLoopback(host) && !allowedHosts.includes(ANY);
    this.#hosts = new Set(allowedHosts.map((name) => name.toLowerCase()));
    this.#origins = new Set(corsOrigins);
  }

  /** @throws HttpError ERR_TFT_HTTP_HOST. */
  check(headers: IncomingHttpHeaders): void {
    if (!this.#isChecked) return;
    const authority = headers.host ?? headers[':authority'];
    if (typeof authority === 'string' && !this.#isOurs(nameOf(authority))) {
      throw refusal(
        'ERR_TFT_HTTP_HOST',
        `'${authority.slice(0, 80)}' is not a name of this machine; list it in allowedHosts if it is`,
      );
    }
    const { origin } = headers;
    if (typeof origin !== 'string' || this.allowed(origin) !== undefined) return;
    if (!this.#isOurs(nameOf(origin.replace(/^https?:\/\//, '')))) {
      throw refusal(
        'ERR_TFT_HTTP_HOST',
        `pages of '${origin.slice(0, 80)}' may not send requests here; list it in corsOrigins to allow them`,
      );
    }
  }

  /** The value of Access-Control-Allow-Origin for a page of this origin; undefined if it may not read responses. */
  allowed(origin: string | undefined): string | undefined {
    if (origin === undefined) return undefined;
    if (this.#origins.has(ANY)) return ANY;
    return this.#origins.has(origin) ? origin : undefined;
  }

  /** Whether pages of other origins are allowed. */
  get isCrossOrigin(): boolean {
    return this.#origins.size > 0;
  }

  #isOurs(name: string): boolean {
    return isLoopback(name) || name.endsWith('.localhost') || this.#hosts.has(name);
  }
}

/** Without the port, and an IPv6 address without its brackets. */
function nameOf(authority: string): string {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(authority.toLowerCase()) ?? [];
  return bracketed ?? plain ?? authority;
}

// Which pages of a browser may ask: a page of anywhere can make the browser send requests to this machine, by its own
// name for it (DNS rebinding) or as a plain form. Programs are not meant, and have keys to be told apart by.
import type { IncomingHttpHeaders } from 'node:http';
import { isLoopback } from '../config/loopback.js';
import type { ServiceConfig } from '../config/schema.js';
import { refusal } from './http-error.js';

type Wishes = Pick<
  ServiceConfig,
  'host' | 'socket' | 'apiKeys' | 'apiKeysFile' | 'allowedHosts' | 'corsOrigins'
>;

const ANY = '*';

/** Judges the headers Host and Origin. */
export class Origins {
  readonly #isChecked: boolean;
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;

  constructor({ host, socket, apiKeys, apiKeysFile, allowedHosts, corsOrigins }: Wishes) {
    const hasKeys = apiKeys.length > 0 || apiKeysFile !== undefined;
    // Where keys are needed a page has none; a Unix socket is out of its reach.
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
        `pages of '${origin.slice(0, 80)}' may not ask here; list it in corsOrigins if they shall`,
      );
    }
  }

  /** What Access-Control-Allow-Origin says to a page of this origin; undefined when it may not read answers. */
  allowed(origin: string | undefined): string | undefined {
    if (origin === undefined) return undefined;
    if (this.#origins.has(ANY)) return ANY;
    return this.#origins.has(origin) ? origin : undefined;
  }

  /** Whether pages of any other origin are let in. */
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

// Access by API keys. Keys are compared by their hashes, so that the time taken reveals nothing about a key.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { TFTError } from '../../contract/errors.js';
import { readTextFileSync } from '../../contract/text-file.js';
import type { ServiceConfig } from '../config/schema.js';
import { type HttpError, refusal } from './http-error.js';

type KeySettings = Pick<ServiceConfig, 'apiKeys' | 'apiKeysFile' | 'adminKeys' | 'adminKeysFile'>;

/** The valid keys. */
export class Access {
  readonly #settings: KeySettings;
  #users: readonly Buffer[] = [];
  #admins: readonly Buffer[] = [];

  /** @throws TFTError ERR_TFT_FILE; ERR_TFT_OPTION for a file without keys. */
  constructor(settings: KeySettings) {
    this.#settings = settings;
    this.reload();
  }

  /** Reads the files of keys again, so that keys can be changed without a restart. @throws as the constructor. */
  reload(): void {
    const { apiKeys, apiKeysFile, adminKeys, adminKeysFile } = this.#settings;
    const users = [...apiKeys, ...keysIn(apiKeysFile, 'apiKeysFile')].map(digest);
    const admins = [...adminKeys, ...keysIn(adminKeysFile, 'adminKeysFile')].map(digest);
    this.#users = users;
    this.#admins = admins;
  }

  /** @throws HttpError ERR_TFT_HTTP_KEY if there are keys and the request has none of them. */
  checkUser(headers: IncomingHttpHeaders): void {
    if (this.#users.length === 0) return;
    const key = keyOf(headers);
    if (!isAmong(this.#users, key) && !isAmong(this.#admins, key)) throw keyMissing(key);
  }

  /** @throws HttpError ERR_TFT_HTTP_KEY, ERR_TFT_HTTP_FORBIDDEN if the request has no administrator's key. */
  checkAdmin(headers: IncomingHttpHeaders): void {
    if (this.#admins.length === 0) {
      throw refusal(
        'ERR_TFT_HTTP_FORBIDDEN',
        'this needs an administrator key, but the service has none; set adminKeysFile',
      );
    }
    const key = keyOf(headers);
    if (isAmong(this.#admins, key)) return;
    if (!isAmong(this.#users, key)) throw keyMissing(key);
    throw refusal('ERR_TFT_HTTP_FORBIDDEN', 'this key does not permit that; an administrator key does');
  }
}

function keyOf({ 'x-api-key': key, authorization }: IncomingHttpHeaders): string | undefined {
  if (typeof key === 'string') return key;
  return /^Bearer (.+)$/i.exec(authorization ?? '')?.[1];
}

/** Compares with all keys, even after a match, so that the time is always the same. */
function isAmong(digests: readonly Buffer[], key: string | undefined): boolean {
  if (key === undefined) return false;
  const found = digest(key);
  let among = false;
  for (const known of digests) among = timingSafeEqual(known, found) || among;
  return among;
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function keyMissing(key: string | undefined): HttpError {
  return refusal(
    'ERR_TFT_HTTP_KEY',
    key === undefined ? 'an API key is needed, in the header X-API-Key' : 'the API key is not known here',
  );
}

function keysIn(path: string | undefined, setting: string): string[] {
  if (path === undefined) return [];
  let text: string;
  try {
    text = readTextFileSync(path);
  } catch (cause) {
    throw new TFTError('ERR_TFT_FILE', `${setting}: ${(cause as Error).message}`, { cause });
  }
  const keys = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const bad = keys.findIndex((key) => !/^[\x21-\x7e]{16,256}$/.test(key));
  if (keys.length === 0 || bad >= 0) {
    throw new TFTError(
      'ERR_TFT_OPTION',
      keys.length === 0
        ? `${setting}: ${path} has no keys; one a line is expected`
        : `${setting}: key ${bad + 1} in ${path} must have 16 to 256 characters, without spaces`,
    );
  }
  return keys;
}

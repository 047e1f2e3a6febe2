// Reads a request's body: decompressed according to Content-Encoding, within limits of size and time, and aligned in memory
// so that the bytes after a JSON header can be used as typed arrays without a copy.
import type { Readable } from 'node:stream';
import {
  type BrotliDecompress,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  type Gunzip,
  type Inflate,
} from 'node:zlib';
import { Turns } from '../admission/turns.js';
import { Assembly } from './assembly.js';
import type { BodyMemory } from './body-memory.js';
import type { ClientAbort } from './client-abort.js';
import type { Exchange } from './exchange.js';
import { badBody, type HttpError, refusal } from './http-error.js';

/** How a body is to be read. */
export interface BodyRules {
  readonly encoding: string | undefined;
  /** The header Content-Length, if there is one. */
  readonly length: string | undefined;
  /** The largest number of bytes, both as sent and decompressed. */
  readonly most: number;
  /** The milliseconds within which the body must arrive. */
  readonly timeoutMs: number;
  /** The index of the byte that must be at a multiple of four in memory. */
  readonly aligned: number;
}

/**
 * As many as Node has threads for. More are not faster, and an unpacker uses up to 16 MiB that cannot be counted here.
 */
const unpacking = new Turns(4);

/** A body. Until `release` it uses its memory and its bytes of the budget; it must not be read afterwards. */
export interface Body {
  readonly bytes: Buffer;
  release(): void;
}

/**
 * @throws HttpError ERR_TFT_HTTP_TOO_LARGE, ERR_TFT_HTTP_ENCODING, ERR_TFT_HTTP_TIMEOUT, ERR_TFT_HTTP_OVERLOADED,
 *   ERR_TFT_HTTP_GONE.
 */
export async function readBody(
  request: Readable,
  rules: BodyRules,
  { holding, client }: Exchange,
  memory: BodyMemory,
): Promise<Body> {
  const makeUnpacker = unpackerFor(rules.encoding);
  // Refused before a byte of it is read.
  if (Number(rules.length ?? 0) > rules.most) throw tooLarge(rules.most);
  const sent = new Assembly(holding, memory, makeUnpacker ? 0 : rules.aligned);
  try {
    await arrival(request, rules, sent);
    if (makeUnpacker === undefined) return sent;
  } catch (error) {
    sent.release();
    throw error;
  }
  const unpacked = new Assembly(holding, memory, rules.aligned);
  try {
    // Unpack only a complete body: a slow client must not occupy an unpacker, whose internal memory is not counted.
    await unpacking.take(() => unpack(sent.bytes, makeUnpacker(), rules, unpacked, client));
    return unpacked;
  } catch (error) {
    unpacked.release();
    throw error;
  } finally {
    sent.release();
  }
}

/** Reads the request into `body`. */
function arrival(request: Readable, { most, timeoutMs }: BodyRules, body: Assembly): Promise<void> {
  return new Promise((resolve, reject) => {
    let over = false;
    const stop = () => {
      over = true;
      clearTimeout(timer);
      request.off('data', take).off('end', end).off('close', gone).off('error', gone);
      // Ignore errors after the body has ended.
      request.on('error', () => {});
    };
    const fail = (error: unknown) => {
      if (over) return;
      stop();
      // Discard the rest, so that the client can read the response.
      request.resume();
      reject(error);
    };
    const gone = () =>
      fail(refusal('ERR_TFT_HTTP_GONE', 'the client disconnected before its request was complete'));
    const take = (chunk: Buffer) => {
      if (over) return;
      try {
        addWithin(most, body, chunk);
      } catch (error) {
        fail(error);
      }
    };
    const end = () => {
      if (over) return;
      stop();
      resolve();
    };
    const timer = setTimeout(
      () => fail(refusal('ERR_TFT_HTTP_TIMEOUT', `the body had not arrived within ${timeoutMs} ms`)),
      timeoutMs,
    );
    request.on('close', gone).on('error', gone).on('data', take).on('end', end);
    if (request.destroyed && !request.readableEnded) gone();
  });
}

/** Unpacks `packed` into `body`. */
function unpack(
  packed: Buffer,
  unpacker: Unpacker,
  { most, encoding }: BodyRules,
  body: Assembly,
  client: ClientAbort,
): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const damaged = (cause?: unknown) =>
      refusal('ERR_TFT_HTTP_ENCODING', `the body is not valid ${encoding}`, { cause });
    const fail = (error: unknown) => {
      unpacker.destroy();
      reject(error);
    };
    client.addEventListener('abort', () => fail(client.reason));
    unpacker.on('data', (chunk: Buffer) => {
      if (unpacker.destroyed) return;
      try {
        addWithin(most, body, chunk);
      } catch (error) {
        fail(error);
      }
    });
    unpacker.on('error', (cause) => fail(damaged(cause)));
    unpacker.on('end', () => {
      // Data after the end of the compressed body is invalid.
      if (unpacker.bytesWritten < packed.length) fail(damaged());
      else resolve();
    });
    if (client.aborted) fail(client.reason);
    else unpacker.end(packed);
  }).finally(() => client.removeEventListener());
}

type Unpacker = Gunzip | Inflate | BrotliDecompress;

/** All three unpackers report a truncated body as an error. */
function unpackerFor(encoding: string | undefined): (() => Unpacker) | undefined {
  switch (encoding?.trim().toLowerCase()) {
    case undefined:
    case '':
    case 'identity':
      return undefined;
    case 'gzip':
    case 'x-gzip':
      return createGunzip;
    case 'deflate':
      return createInflate;
    case 'br':
      return createBrotliDecompress;
    default:
      throw refusal(
        'ERR_TFT_HTTP_ENCODING',
        `Content-Encoding '${encoding?.slice(0, 40)}' is not supported; gzip, deflate, br and identity are`,
        { status: 415 },
      );
  }
}

/** Throws if the body would exceed its limit or the memory budget. */
function addWithin(most: number, body: Assembly, chunk: Buffer): void {
  if (body.length + chunk.length > most) throw tooLarge(most);
  body.add(chunk);
}

function tooLarge(most: number): HttpError {
  return refusal(
    'ERR_TFT_HTTP_TOO_LARGE',
    `the body is larger than ${most} bytes; send several requests or raise maxBodyBytes`,
  );
}

/** The number of bytes of JSON before the binary tensors: the header Inference-Header-Content-Length. */
export function headerLength(value: string | string[] | undefined, most: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || !/^\d{1,15}$/.test(value)) {
    throw badBody(
      `Inference-Header-Content-Length must be a whole number of bytes, found '${String(value)}'`,
    );
  }
  if (Number(value) > most) throw badBody(`Inference-Header-Content-Length ${value} is larger than any body`);
  return Number(value);
}

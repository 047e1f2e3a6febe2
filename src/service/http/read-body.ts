// Reads a request's body: decompressed according to Content-Encoding, within limits of size and time, and aligned in memory
// so that the bytes after a JSON header can be used as typed arrays without a copy.
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { ByteBudget } from '../admission/budget.js';
import type { BodyMemory } from './body-memory.js';
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

/** A body. It occupies its budget and memory until `release`; its bytes must not be used afterwards. */
export interface Body {
  readonly bytes: Buffer;
  release(): void;
}

/**
 * @throws HttpError ERR_TFT_HTTP_TOO_LARGE, ERR_TFT_HTTP_ENCODING, ERR_TFT_HTTP_TIMEOUT, ERR_TFT_HTTP_OVERLOADED,
 *   ERR_TFT_HTTP_GONE.
 */
export function readBody(
  request: Readable,
  rules: BodyRules,
  budget: ByteBudget,
  memory: BodyMemory,
): Promise<Body> {
  return new Promise((resolve, reject) => {
    const { most, timeoutMs } = rules;
    budget.refuseWhenSpent();
    // Refused before any of the body is read.
    if (Number(rules.length ?? 0) > most) throw tooLarge(most);
    const unpacker = unpackerFor(rules.encoding);
    const source = unpacker ?? request;
    const chunks: Buffer[] = [];
    let size = 0;
    let sent = 0;
    let held = 0;
    let over = false;

    const hold = (bytes: number) => {
      budget.refuseWhenSpent();
      budget.take(bytes);
      held += bytes;
    };
    const stop = () => {
      over = true;
      clearTimeout(timer);
      request.off('close', gone).off('error', gone);
      source.off('data', take).off('end', end);
      if (unpacker) {
        request.off('data', countSent).unpipe(unpacker);
        unpacker.off('error', damaged).on('error', () => {});
        unpacker.destroy();
      }
    };
    const fail = (error: unknown) => {
      if (over) return;
      stop();
      budget.give(held);
      // The rest of the body is discarded, so that the client can read the answer.
      request.resume();
      reject(error);
    };
    const gone = () => {
      // The stream of a complete body also closes, even while it is still being decompressed.
      if (request.readableEnded) return;
      fail(refusal('ERR_TFT_HTTP_GONE', 'the client went away before its request was complete'));
    };
    const damaged = (cause: unknown) =>
      fail(refusal('ERR_TFT_HTTP_ENCODING', `the body is not valid ${rules.encoding}`, { cause }));
    const countSent = (chunk: Buffer) => {
      sent += chunk.length;
      if (sent > most) fail(tooLarge(most));
    };
    const take = (chunk: Buffer) => {
      size += chunk.length;
      if (size > most) {
        fail(tooLarge(most));
        return;
      }
      try {
        hold(chunk.length);
      } catch (error) {
        fail(error);
        return;
      }
      chunks.push(chunk);
    };
    const end = () => {
      if (over) return;
      stop();
      let released = false;
      const { bytes, taken } = layOut(chunks, size, rules.aligned, memory);
      resolve({
        bytes,
        release: () => {
          if (released) return;
          released = true;
          if (taken) memory.give(taken);
          budget.give(held);
        },
      });
    };
    const timer = setTimeout(
      () => fail(refusal('ERR_TFT_HTTP_TIMEOUT', `the body had not arrived within ${timeoutMs} ms`)),
      timeoutMs,
    );

    request.on('close', gone).on('error', gone);
    source.on('data', take).on('end', end);
    if (unpacker) {
      unpacker.on('error', damaged);
      request.on('data', countSent).pipe(unpacker);
    }
  });
}

/** For all three encodings a truncated body is an error. */
function unpackerFor(encoding: string | undefined) {
  switch (encoding?.trim().toLowerCase()) {
    case undefined:
    case '':
    case 'identity':
      return undefined;
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'deflate':
      return createInflate();
    case 'br':
      return createBrotliDecompress();
    default:
      throw refusal(
        'ERR_TFT_HTTP_ENCODING',
        `Content-Encoding '${encoding?.slice(0, 40)}' is not read here; gzip, deflate, br and identity are`,
        { status: 415 },
      );
  }
}

/** Joins the chunks of a body. A single chunk that is aligned already is not copied. */
function layOut(
  chunks: readonly Buffer[],
  size: number,
  aligned: number,
  memory: BodyMemory,
): { bytes: Buffer; taken: ArrayBuffer | undefined } {
  const [only] = chunks;
  if (only === undefined) return { bytes: Buffer.alloc(0), taken: undefined };
  if (chunks.length === 1 && (only.byteOffset + aligned) % 4 === 0) return { bytes: only, taken: undefined };
  const shift = (4 - (aligned % 4)) % 4;
  const taken = memory.take(size + shift);
  const bytes = Buffer.from(taken, shift, size);
  let at = 0;
  for (const chunk of chunks) {
    chunk.copy(bytes, at);
    at += chunk.length;
  }
  return { bytes, taken };
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

// Sends bytes, compressed for clients that accept it, and counts them until the client has received them.
import { promisify } from 'node:util';
import { brotliCompress, constants, deflate, gzip } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Exchange } from './exchange.js';

/** Smaller responses are not compressed, because that saves nothing. */
const MIN_COMPRESSED_BYTES = 1024;

/** Fastest level of each: latency matters more than size. */
const COMPRESSORS = {
  gzip: (bytes: Buffer) => promisify(gzip)(bytes, { level: 1 }),
  br: (bytes: Buffer) =>
    promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
  deflate: (bytes: Buffer) => promisify(deflate)(bytes, { level: 1 }),
} as const;
type Encoding = keyof typeof COMPRESSORS;

/** Sends `bytes` as the response. @throws HttpError ERR_TFT_ABORTED if the client has disconnected. */
export async function sendBytes(
  request: FastifyRequest,
  reply: FastifyReply,
  bytes: Buffer,
  { holding, client }: Exchange,
  compress: boolean,
): Promise<FastifyReply> {
  holding.add(bytes.length);
  let body = bytes;
  if (compress && bytes.length >= MIN_COMPRESSED_BYTES) {
    reply.header('vary', 'accept-encoding');
    const encoding = preferredEncoding(request.headers['accept-encoding']);
    if (encoding !== undefined) {
      body = await COMPRESSORS[encoding](bytes);
      holding.add(body.length - bytes.length);
      reply.header('content-encoding', encoding);
    }
  }
  if (client.aborted) throw client.reason;
  return reply.send(body);
}

/** The encoding with the client's highest quality value; among equals the first in COMPRESSORS. */
export function preferredEncoding(header: string | string[] | undefined): Encoding | undefined {
  if (header === undefined) return undefined;
  let best: Encoding | undefined;
  let most = 0;
  const qualities = new Map(
    String(header)
      .toLowerCase()
      .split(',', 16)
      .map((item) => {
        const [name = '', ...parameters] = item.split(';').map((part) => part.trim());
        const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
        return [name, quality === undefined ? 1 : Number(quality) || 0] as const;
      }),
  );
  for (const name of Object.keys(COMPRESSORS) as Encoding[]) {
    const quality = qualities.get(name) ?? qualities.get('*') ?? 0;
    if (quality > most) [best, most] = [name, quality];
  }
  return best;
}

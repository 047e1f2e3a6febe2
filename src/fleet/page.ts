// Serves the page at `/`: a few files from memory. They contain no data and need no key; the data comes from the API, with the
// key that the user enters.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { TFTError } from '../contract/errors.js';

/** Only the page's own files and this origin's API: no inline code, no other host, no frame around it. */
const SECURITY = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; " +
    "trusted-types 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

const FILES = [
  { url: '/', name: 'index.html', type: 'text/html; charset=utf-8', summary: 'The page of the fleet' },
  { url: '/page/page.js', name: 'page.js', type: 'text/javascript; charset=utf-8', summary: 'Its program' },
  { url: '/page/page.css', name: 'page.css', type: 'text/css; charset=utf-8', summary: 'Its style' },
  { url: '/page/icon.svg', name: 'icon.svg', type: 'image/svg+xml', summary: 'Its icon' },
] as const;

/**
 * Registers `/` and the files that the page is made of.
 *
 * @throws TFTError ERR_TFT_FILE if they were not built.
 */
export function pageRoutes(app: FastifyInstance): void {
  for (const { url, name, type, summary } of FILES) {
    const plain = read(name);
    const packed = gzipSync(plain, { level: 9 });
    const tag = createHash('sha256').update(plain).digest('base64url').slice(0, 22);
    app.get(
      url,
      {
        config: {
          operation: {
            summary,
            tag: 'operations',
            access: 'anyone',
            answers: { 200: { description: 'a file', text: type.replace(/;.*/, '') } },
          },
        },
      },
      (request, reply) => {
        // Browsers revalidate their copy each time, so a new release is seen at once.
        reply.headers(SECURITY).header('cache-control', 'no-cache').header('vary', 'accept-encoding');
        return answer(request, reply.type(type), { plain, packed, tag });
      },
    );
  }
}

interface Body {
  readonly plain: Buffer;
  readonly packed: Buffer;
  readonly tag: string;
}

function answer(
  { headers }: FastifyRequest,
  reply: FastifyReply,
  { plain, packed, tag }: Body,
): FastifyReply {
  const isPacked = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/.test(headers['accept-encoding'] ?? '');
  const etag = `"${tag}${isPacked ? '-gzip' : ''}"`;
  reply.header('etag', etag);
  if (headers['if-none-match']?.split(/\s*,\s*/).includes(etag)) return reply.code(304).send();
  if (isPacked) reply.header('content-encoding', 'gzip');
  return reply.send(isPacked ? packed : plain);
}

function read(name: string): Buffer {
  const file = new URL(`../web/${name}`, import.meta.url);
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new TFTError('ERR_TFT_FILE', `the page's file ${name} is not there; npm run build makes it`, {
      cause,
    });
  }
}

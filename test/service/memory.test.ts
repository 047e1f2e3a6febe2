// Memory is bounded by what it takes, not by what was sent: whatever a client makes of its bytes, the process grows by
// no more than its own account says, and a little.
import { once } from 'node:events';
import { connect } from 'node:net';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { bundles, constantInputs } from '../fixtures/bundles.js';
import { ask, inferJson } from './running.js';
import { metric, serve } from './serving.js';

const MIB = 2 ** 20;
/** What a young heap, zlib and the like may take besides. The faults that these tests are for took 400 MiB and more. */
const BESIDES = 120 * MIB;
const SERVE = ['--model', bundles.tiny, '--max-servers', '20000'];

/** A chunked body, each of its bytes a chunk, as far as `bytes`. */
async function sendOneByOne(url: string, body: Buffer, head = ''): Promise<() => void> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  socket.write(`POST /predict HTTP/1.1\r\nHost: localhost\r\n${head}Transfer-Encoding: chunked\r\n\r\n`);
  for (let from = 0; from < body.length; from += 8192) {
    const wire: Buffer[] = [];
    for (const byte of body.subarray(from, from + 8192)) {
      wire.push(Buffer.from('1\r\n'), Buffer.from([byte]), Buffer.from('\r\n'));
    }
    if (!socket.write(Buffer.concat(wire))) await once(socket, 'drain');
  }
  return () => socket.destroy();
}

async function rss(url: string): Promise<number> {
  return metric(url, 'process_resident_memory_bytes');
}

test.each([
  ['as they are', '', (size: number) => Buffer.alloc(size, ' ')],
  [
    'packed',
    'Content-Encoding: gzip\r\n',
    // Stored, not deflated: all these bytes are sent.
    (size: number) => gzipSync(Buffer.alloc(size, ' '), { level: 0 }),
  ],
])('a body in chunks of one byte takes little more than its bytes: %s', async (_how, head, make) => {
  const served = serve(SERVE);
  const { address } = await served.says('listening');
  await served.says('ready');
  const url = String(address);
  const before = await rss(url);
  const leave = await sendOneByOne(url, make(MIB).subarray(0, MIB), head);
  // Until all of it has been read.
  while ((await metric(url, 'tft_http_in_flight_bytes')) < MIB)
    await new Promise((next) => setTimeout(next, 20));
  expect(await metric(url, 'tft_http_in_flight_bytes')).toBeLessThanOrEqual(4 * MIB);
  expect((await rss(url)) - before).toBeLessThan(BESIDES);
  leave();
  while ((await metric(url, 'tft_http_in_flight_bytes')) > 0)
    await new Promise((next) => setTimeout(next, 20));
});

test('what a small body unpacks to counts, with the numbers that are made of it', async () => {
  const most = 32 * MIB;
  const served = serve([...SERVE, '--max-bytes-in-flight', String(most)]);
  const { address } = await served.says('listening');
  await served.says('ready');
  const url = `${String(address)}/predict`;
  const before = await rss(String(address));
  const zeros = `[${'0,'.repeat(300_000)}0]`;
  const body = brotliCompressSync(
    `{"encoder_cont":${zeros},"encoder_cat":${zeros},"decoder_cont":${zeros},"decoder_cat":${zeros}}`,
  );
  expect(body.length).toBeLessThan(1000);
  const headers = { 'content-encoding': 'br' };
  const answers = await Promise.all(Array.from({ length: 60 }, () => ask(url, { body, headers })));
  expect(answers.every(({ status }) => status === 400 || status === 503)).toBe(true);
  expect(answers.some(({ status }) => status === 400)).toBe(true);
  expect((await rss(String(address))) - before).toBeLessThan(most + BESIDES);
  expect(await metric(String(address), 'tft_http_in_flight_bytes')).toBe(0);
  const fine = await ask(`${String(address)}/v2/models/tiny/infer`, { body: inferJson(constantInputs(1)) });
  expect(fine.status).toBe(200);
});

test.each([
  ['a number of a megabyte', `[${'1'.repeat(MIB)}]`, 400, /has more than 1100 characters/],
  ['a number of a megabyte of zeros', `[0.${'0'.repeat(MIB)}1]`, 400, /has more than 1100 characters/],
  ['an exponent of a megabyte', `[1e${'1'.repeat(MIB)}]`, 400, /has more than 1100 characters/],
  ['a megabyte of blanks before an array', `${' '.repeat(MIB)}[1]`, 413, /bytes besides its numbers/],
])('%s is refused before it is read in full', async (_what, value, status, message) => {
  const served = serve(SERVE);
  const { address } = await served.says('listening');
  await served.says('ready');
  const answer = await ask(`${String(address)}/predict`, { body: `{"encoder_cont":${value}}` });
  expect([answer.status, answer.json?.error]).toEqual([status, expect.stringMatching(message)]);
});

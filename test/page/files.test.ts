// The page as it is served: its files, their size and their headers.
import { gunzipSync, gzipSync } from 'node:zlib';
import Fastify from 'fastify';
import { expect, test } from 'vitest';
import { accuracy, alerts, fleetStatus, overview, serverDetail } from '../../src/fleet/api.js';
import { pageRoutes } from '../../src/fleet/page.js';
import { PageFleet } from '../fixtures/page-fleet.js';

const FILES = ['/', '/page/page.js', '/page/page.css', '/page/icon.svg'];
const app = Fastify();
pageRoutes(app);

async function get(url: string, headers: Record<string, string> = {}) {
  return app.inject({ url, headers });
}

test('the whole page takes at most 60 KB of the network', async () => {
  const sizes = await Promise.all(
    FILES.map(async (url) => (await get(url, { 'accept-encoding': 'gzip' })).rawPayload.length),
  );
  console.log(
    `the page in bytes, compressed: ${FILES.map((url, index) => `${url} ${sizes[index]}`).join(', ')}`,
  );
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(60_000);
});

test('every file forbids all but its own origin: no inline code, no frame, no other host', async () => {
  for (const url of FILES) {
    const { headers, statusCode } = await get(url);
    expect([url, statusCode]).toEqual([url, 200]);
    const policy = new Map(
      String(headers['content-security-policy'])
        .split('; ')
        .map((part) => [part.split(' ')[0], part.split(' ').slice(1).join(' ')]),
    );
    expect(policy.get('default-src')).toBe("'none'");
    for (const kind of ['script-src', 'style-src', 'img-src', 'connect-src'])
      expect(policy.get(kind)).toBe("'self'");
    expect(policy.get('frame-ancestors')).toBe("'none'");
    expect(policy.get('require-trusted-types-for')).toBe("'script'");
    expect(String(headers['content-security-policy'])).not.toMatch(/unsafe|https?:|\*|data:/);
    expect(headers['x-content-type-options']).toBe('nosniff');
  }
});

test('nothing in it names another host', async () => {
  for (const url of FILES) {
    const { payload } = await get(url);
    // Names of XML's vocabularies are no addresses that anything asks.
    const hosts =
      payload.match(/https?:\/\/[\w.-]+/g)?.filter((host) => !host.endsWith('://www.w3.org')) ?? [];
    expect([url, hosts.filter((host) => host !== 'http://prometheus')]).toEqual([url, []]);
  }
  const { payload } = await get('/');
  expect(payload).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=/);
  // So that it works under a proxy's prefix.
  expect(payload).not.toMatch(/(?:src|href)="\//);
});

test('a browser that has the newest files is sent none', async () => {
  for (const encoding of ['gzip', 'identity']) {
    const first = await get('/page/page.js', { 'accept-encoding': encoding });
    const etag = String(first.headers.etag);
    const again = await get('/page/page.js', {
      'accept-encoding': encoding,
      'if-none-match': `"other", ${etag}`,
    });
    expect([again.statusCode, again.rawPayload.length]).toEqual([304, 0]);
    expect(again.headers['content-security-policy']).toBeDefined();
    expect((await get('/page/page.js', { 'if-none-match': '"other"' })).statusCode).toBe(200);
  }
});

test('files are compressed only for clients that accept it', async () => {
  const plain = await get('/page/page.css');
  expect(plain.headers['content-encoding']).toBeUndefined();
  for (const taken of ['gzip', 'br, gzip;q=0.5', 'deflate,gzip']) {
    const packed = await get('/page/page.css', { 'accept-encoding': taken });
    expect(packed.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(packed.rawPayload)).toEqual(plain.rawPayload);
    expect(packed.rawPayload.length).toBeLessThan(gzipSync(plain.rawPayload, { level: 1 }).length + 1);
  }
  for (const refused of ['br', 'gzip;q=0', 'gzip; q=0.0, br']) {
    expect(
      (await get('/page/page.css', { 'accept-encoding': refused })).headers['content-encoding'],
    ).toBeUndefined();
  }
});

test("the tests' fleet speaks the daemon's API", () => {
  for (const fleet of [new PageFleet(21), new PageFleet(0)]) {
    overview.parse(fleet.overview());
    alerts.parse(fleet.alerts());
    accuracy.parse(fleet.accuracy());
    fleetStatus.parse(fleet.status());
    for (const server of fleet.servers) serverDetail.parse(fleet.detail(server));
  }
});

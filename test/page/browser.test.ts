// The page in a chromium, with a daemon of the tests behind it.
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PageDaemon } from '../fixtures/page-daemon.js';
import { chromiumPath, close, open, openBrowser, overflow, servers, violations } from './browser.js';

const SOON = { timeout: 200_000 };
const VIEWS = ['', '#/servers/ml-compute-02?past=60&values=shown', '#/alerts', '#/accuracy', '#/engine'];
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true };

describe.skipIf(chromiumPath === undefined)('in chromium', { timeout: 300_000 }, () => {
  let browser: Browser;
  let daemon: PageDaemon;
  let large: PageDaemon;
  beforeAll(async () => {
    browser = await openBrowser();
    daemon = await PageDaemon.start({ servers: 20 });
    large = await PageDaemon.start({ servers: 5000 });
  });
  afterAll(async () => {
    await browser?.close();
    await daemon?.stop();
    await large?.stop();
  });

  test('servers are sorted by a click on a heading, and the address says so', async () => {
    const page = await open(browser, daemon.url);
    const risk = page.locator('thead th', { hasText: 'Risk' });
    await risk.waitFor();
    expect(await risk.getAttribute('aria-sort')).toBe('descending');
    expect((await servers(page))[0]).toBe('ml-compute-02');
    await page.getByRole('button', { name: 'Server', exact: true }).click();
    const ordered = [...daemon.fleet.servers].sort();
    await expect.poll(() => servers(page), SOON).toEqual(ordered);
    await page.getByRole('button', { name: 'Server', exact: true }).click();
    await expect.poll(() => servers(page), SOON).toEqual(ordered.reverse());
    expect(page.url()).toContain('#/servers?sort=-server');
    await page.reload();
    await expect.poll(() => servers(page), SOON).toEqual(ordered);
    await close(page);
  });

  test('servers are filtered by words, level and profile, and shown again', async () => {
    const page = await open(browser, daemon.url);
    await page.getByRole('searchbox').fill('data 02');
    await expect
      .poll(async () => (await servers(page)).sort(), SOON)
      .toEqual(['data-ingest-02', 'database-02']);
    expect(page.url()).toContain('q=data+02');
    await page.getByRole('searchbox').fill('');
    await page.getByText('critical', { exact: false }).first().click();
    await expect.poll(() => servers(page), SOON).toEqual(['ml-compute-02']);
    await page.getByRole('combobox', { name: 'Profile' }).selectOption('database');
    await page.getByText('No server matches.').waitFor();
    await page.getByRole('button', { name: 'Show all' }).first().click();
    await expect.poll(async () => (await servers(page)).length, SOON).toBe(20);
    await close(page);
  });

  test('a server opens with its chart, past forecasts and values, by an address that others can open', async () => {
    const page = await open(browser, daemon.url);
    await page.getByRole('link', { name: 'ml-compute-02' }).first().click();
    await page.getByRole('heading', { name: 'ml-compute-02' }).waitFor();
    await page.locator('.fan canvas').waitFor();
    await page.getByText('1 h', { exact: true }).first().click();
    await page.getByText('Values as a table').click();
    await page.getByRole('table', { name: /^Quantiles ahead/ }).waitFor();
    expect(new URL(page.url()).hash).toBe('#/servers/ml-compute-02?past=60&values=shown');
    const slider = page.getByRole('slider', { name: 'Time in the chart' });
    await slider.focus();
    await slider.press('End');
    await expect
      .poll(() => slider.getAttribute('aria-valuetext'), SOON)
      .toMatch(/^23:10: median [\d.]+ %, 50 %/);
    await slider.press('Home');
    await expect.poll(() => slider.getAttribute('aria-valuetext'), SOON).toMatch(/^Mon 15:15: measured/);
    await page.locator('.u-over').hover({ position: { x: 400, y: 100 } });
    await expect.poll(() => page.locator('.readout').textContent(), SOON).toMatch(/forecast 1 h before/);
    await page.getByRole('link', { name: '← All servers' }).click();
    await page.getByRole('link', { name: 'ml-compute-02' }).first().waitFor();
    await close(page);
  });

  test('a server shows which variables and which hours its forecast rests on', async () => {
    const page = await open(browser, `${daemon.url}#/servers/web-api-01`);
    const table = page.getByRole('table', { name: 'Of the past' });
    await table.waitFor();
    expect(await table.getByRole('row').nth(1).textContent()).toBe('cpu user pct31 %');
    await page.getByRole('table', { name: 'Known ahead' }).waitFor();
    expect(await page.locator('.strip .hours').count()).toBe(3);
    expect(await page.locator('.strip .unseen').textContent()).toMatch(
      /^Attention to the past by how far ahead: next 1 h, most to/,
    );
    // The strip ends where the past ends in the chart above it.
    const strip = (await page.locator('.strip .hours').first().boundingBox()) as { x: number; width: number };
    const plot = (await page.locator('.u-over').boundingBox()) as { x: number; width: number };
    expect(Math.abs(strip.x - plot.x)).toBeLessThan(2);
    expect(Math.abs(strip.width - plot.width)).toBeLessThan(2);
    await close(page);
  });

  test('a step of the daemon appears without reloading; a new alert is announced once', async () => {
    await using own = await PageDaemon.start({ servers: 20 });
    const page = await open(browser, own.url);
    const now = page.locator('tr', { hasText: 'database-01' }).locator('td.number');
    const before = await now.textContent();
    const next = () =>
      own.fleet
        .rows()
        .find(({ server }) => server === 'database-01')
        ?.now?.toFixed(1);
    expect(before).toBe(next());
    own.alert('web-api-01');
    own.step();
    await expect.poll(() => now.textContent(), SOON).toBe(next());
    expect(next()).not.toBe(before);
    const announced = page.locator('#page > .unseen[role=status]');
    await expect
      .poll(() => announced.textContent(), SOON)
      .toBe('New alert. web-api-01: cpu_user_pct will be over 80 %');
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByText('Paused, as of').waitFor();
    const held = await now.textContent();
    own.step();
    await page.getByRole('button', { name: 'Go on' }).click();
    await expect.poll(() => now.textContent(), SOON).toBe(next());
    expect(held).not.toBe(next());
    await close(page);
  });

  test('a lost connection is said, the last data stays, and it goes on when the daemon is back', async () => {
    const first = await PageDaemon.start({ servers: 20 });
    const { port } = first;
    const page = await open(browser, first.url);
    await page.getByText('Last update').waitFor();
    await first.stop();
    await page.getByText('Connection lost; this was so at').waitFor();
    expect((await servers(page)).length).toBe(20);
    await using second = await PageDaemon.start({ servers: 20, port });
    await page.getByRole('button', { name: 'Try now' }).click();
    await page.getByText('Last update').waitFor();
    expect(second.port).toBe(port);
    await close(page);
  });

  test('with the keyboard alone one filters, walks through 5,000 rows, opens a server and comes back', async () => {
    const page = await open(browser, large.url);
    await page.locator('.servers').waitFor();
    const focused = () => page.evaluate<string>('document.activeElement.textContent');
    await page.keyboard.press('/');
    await expect.poll(() => page.evaluate('document.activeElement.id'), SOON).toBe('search');
    await page.keyboard.type('database');
    await expect.poll(() => page.locator('.servers').getAttribute('aria-rowcount'), SOON).toBe('716');
    // Past the levels, two lists, the button and the tick box to the headings, and to the first row.
    for (let tabs = 0; tabs < 20 && !(await focused()).startsWith('database-'); tabs++)
      await page.keyboard.press('Tab');
    const top = await focused();
    expect(top).toMatch(/^database-/);
    for (let rows = 0; rows < 60; rows++) await page.keyboard.press('ArrowDown');
    const row = page.locator('tr:has(a:focus)');
    await expect.poll(() => row.getAttribute('aria-rowindex'), SOON).toBe('62');
    await page.keyboard.press('End');
    await expect.poll(() => row.getAttribute('aria-rowindex'), SOON).toBe('716');
    await page.keyboard.press('Home');
    await expect.poll(focused, SOON).toBe(top);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: top }).waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.servers').waitFor();
    expect(page.url()).toContain('q=database');
    await page.keyboard.press('?');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    await close(page);
  });

  test('the receivers of forecasts are shown, with what they have not taken', async () => {
    const page = await open(browser, `${daemon.url}#/engine`);
    const row = page.getByRole('row', { name: 'http://prometheus:9090/api/v1/write' });
    await row.waitFor();
    expect((await row.getByRole('cell').allTextContents()).slice(1)).toEqual([
      '622,080',
      '240',
      '12',
      '0',
      'http://prometheus:9090/api/v1/write: no answer in time',
    ]);
    await close(page);
  });

  test.each(['light', 'dark'] as const)('axe finds nothing wrong in any view, %s', async (colorScheme) => {
    for (const view of VIEWS) {
      const page = await open(browser, daemon.url + view, { colorScheme, reducedMotion: 'reduce' });
      await page.locator('h1').waitFor();
      expect([view, await violations(page)]).toEqual([view, []]);
      await close(page);
    }
  });

  test('on a phone and on a narrow one nothing has to be scrolled sideways', async () => {
    for (const width of [390, 320]) {
      for (const view of VIEWS) {
        const page = await open(browser, daemon.url + view, { ...PHONE, viewport: { width, height: 700 } });
        await page.locator('h1').waitFor();
        expect([width, view, await overflow(page)]).toEqual([width, view, 0]);
        if (width === 390) expect([view, await violations(page)]).toEqual([view, []]);
        await close(page);
      }
    }
  });

  test('of 5,000 servers only those in view are in the document, and all are counted and reached', async () => {
    const page = await open(browser, large.url);
    await page.locator('.servers tbody a').first().waitFor();
    const painted = await page.evaluate<number>(
      'Math.round(performance.getEntriesByType("paint").at(-1).startTime)',
    );
    const shown = await page.evaluate<number>('Math.round(performance.now())');
    console.log(
      `5,000 servers: the first paint after ${painted} ms, the table at the latest after ${shown} ms`,
    );
    const table = page.locator('.servers');
    expect(await table.getAttribute('aria-rowcount')).toBe('5001');
    expect((await servers(page)).length).toBeLessThan(80);
    expect(await violations(page)).toEqual([]);
    await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)');
    await page.locator('tr[aria-rowindex="5001"]').waitFor();
    expect((await servers(page)).length).toBeLessThan(80);
    const sorted = await page.evaluate<number>(
      '(() => { const begin = performance.now(); document.querySelector("th.peak button").click(); ' +
        'return new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now() - begin)))); })()',
    );
    console.log(`5,000 servers: sorted and drawn in ${Math.round(sorted)} ms`);
    await page.evaluate('scrollTo(0, 0)');
    await page.getByRole('checkbox', { name: 'plain pages' }).check();
    await expect.poll(async () => (await servers(page)).length, SOON).toBe(50);
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByText('51–100 of 5,000').waitFor();
    expect(await page.locator('.servers tbody tr').first().getAttribute('aria-rowindex')).toBe('52');
    await close(page);
  });

  test('where the service has keys the page asks for one, and keeps it for the tab alone', async () => {
    const key = 'a-key-of-the-tests';
    await using own = await PageDaemon.start({ servers: 20, key });
    const page = await open(browser, own.url);
    await page.getByLabel('Key').fill('wrong');
    expect(await violations(page)).toEqual([]);
    await page.getByRole('button', { name: 'Show the fleet' }).click();
    await page.getByText('The service does not know the key').waitFor();
    await page.getByLabel('Key').fill(key);
    await page.keyboard.press('Enter');
    await page.locator('.servers').waitFor();
    await page.reload();
    await page.locator('.servers').waitFor();
    expect(await page.evaluate('JSON.stringify(localStorage) + document.cookie')).not.toContain(key);
    await close(page);
  });

  test('an empty fleet says how to feed it; a daemon in trouble says what is wrong', async () => {
    await using empty = await PageDaemon.start({ servers: 0 });
    const page = await open(browser, empty.url);
    await page.getByRole('heading', { name: 'No server yet' }).waitFor();
    expect(await page.textContent('main')).toContain('tft fleet --prometheus');
    expect(await violations(page)).toEqual([]);
    await close(page);
    empty.failing = 503;
    const failed = await open(browser, empty.url);
    await failed.getByText('The store cannot be read.').waitFor();
    expect(await violations(failed)).toEqual([]);
    empty.failing = undefined;
    await failed.getByRole('button', { name: 'Try now' }).click();
    await failed.getByRole('heading', { name: 'No server yet' }).waitFor();
    await close(failed);
    const unknown = await open(browser, `${daemon.url}#/servers/nobody`);
    await unknown.getByText("There is no server 'nobody'.").waitFor();
    await close(unknown);
  });

  test('says that data is simulated, and shows times in UTC and other colours when asked', async () => {
    const page = await open(browser, daemon.url);
    await page.getByText('simulated data').waitFor();
    await page.getByRole('button', { name: 'Times in CET' }).click();
    await page.getByRole('button', { name: 'Times in UTC' }).waitFor();
    await page.getByRole('button', { name: 'Colours: auto' }).click();
    await page.getByRole('button', { name: 'Colours: light' }).click();
    expect(await page.evaluate('document.documentElement.dataset.theme')).toBe('dark');
    await page.reload();
    await page.locator('.servers').waitFor();
    expect(await page.evaluate('document.documentElement.dataset.theme')).toBe('dark');
    expect(await violations(page)).toEqual([]);
    await close(page);
  });
});

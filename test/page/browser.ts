// A chromium for the tests of the page: the system's own, so that nothing is downloaded.
import { existsSync } from 'node:fs';
import axe from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';

const PLACES = [
  process.env.CHROMIUM ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];
const PATIENCE = 200_000;

/** Where chromium is; undefined where there is none. */
export const chromiumPath = PLACES.find((path) => path !== '' && existsSync(path));
if (chromiumPath === undefined) {
  console.log('no chromium here: the tests of the page in a browser are skipped (apt-get install chromium)');
}

export async function openBrowser(): Promise<Browser> {
  // Without its sandbox, which needs privileges that a container does not have; the pages are ours.
  return chromium.launch({ executablePath: chromiumPath as string, args: ['--no-sandbox'] });
}

/** A page at the address. It fails the test when it breaks its own policy, throws, or asks another host. */
export async function open(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Page> {
  const page = await browser.newPage({
    viewport: { width: 1360, height: 860 },
    timezoneId: 'Europe/Berlin',
    ...options,
  });
  page.setDefaultTimeout(PATIENCE);
  const { origin } = new URL(url);
  const wrongs: string[] = [];
  wrongsOf.set(page, wrongs);
  page.on('request', (request) => {
    if (!request.url().startsWith(origin)) wrongs.push(`asked ${request.url()}`);
  });
  page.on('pageerror', (error) => wrongs.push(error.message));
  page.on('console', (message) => {
    if (/Content.Security|TrustedHTML|TrustedScript/i.test(message.text())) wrongs.push(message.text());
  });
  await page.addInitScript(axe.source);
  await page.goto(url);
  return page;
}

const wrongsOf = new WeakMap<Page, string[]>();

/** Closes the page, having seen that nothing was wrong with it. */
export async function close(page: Page): Promise<void> {
  expect(wrongsOf.get(page)).toEqual([]);
  await page.close();
}

/** What axe finds wrong, as lines to read. */
export async function violations(page: Page): Promise<string[]> {
  const { violations } = await page.evaluate<axe.AxeResults>('axe.run()');
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`));
}

/** How many pixels of the page do not fit into the window's width. */
export async function overflow(page: Page): Promise<number> {
  return page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
}

/** The names of the servers in the table, as far as they are in the document. */
export async function servers(page: Page): Promise<string[]> {
  return page.locator('.servers tbody a').allTextContents();
}

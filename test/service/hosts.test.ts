// A client of three servers on hosts of their own (network namespaces): what fails on the way costs no request.
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { bundles } from '../fixtures/bundles.js';
import { runNode } from '../fixtures/programs.js';

const CHECK = fileURLToPath(new URL('../../scripts/check-hosts', import.meta.url));

it('no request is lost when servers are killed, hang, are slow and are unplugged', async (context) => {
  const settings = [
    '--model',
    bundles.tiny,
    '--seconds',
    '2',
    '--timeout-ms',
    '3000',
    '--deadline-ms',
    '60000',
  ];
  const { code, stdout, stderr } = await runNode([CHECK, ...settings]);
  if (stdout.startsWith('skipped')) context.skip(stdout);
  expect(stderr).toBe('');
  expect(`${code}\n${stdout}`).toMatch(/^0\n/);
  expect(stdout).toMatch(/^all three at the end +\d+ +0 +0 +\d+ /m);
});

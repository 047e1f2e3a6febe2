// Memory that is used again belongs to one request at a time.
import { expect, test } from 'vitest';
import { BodyMemory } from '../../src/service/http/body-memory.js';
import { constantInputs, tinyAnswer, variedInputs } from '../fixtures/bundles.js';
import { ask, binaryPredictions, inferBinary, inferJson, running } from './running.js';

test('returned memory is reused, up to a limit', () => {
  const memory = new BodyMemory(100_000);
  const first = memory.take(40_000);
  const second = memory.take(40_001);
  expect(first).not.toBe(second);
  expect([first.byteLength, second.byteLength]).toEqual([65_536, 65_536]);
  memory.give(first);
  // This one would be too much to keep.
  memory.give(second);
  expect(memory.take(65_536)).toBe(first);
  expect(memory.take(65_536)).not.toBe(second);
  expect(memory.take(65_537).byteLength).toBe(131_072);
});

test('bodies in several pieces, many at once, good and bad, keep their numbers', async () => {
  await using tiny = await running({ maxServers: 1000, queueLimit: 100_000, maxWaitMs: 600_000 });
  const url = `${tiny.url}/v2/models/tiny/infer`;
  await Promise.all(
    Array.from({ length: 40 }, async (_, seed) => {
      // A server has 184 bytes: a few dozen kilobytes to 180.
      const inputs = variedInputs(100 + 20 * seed, seed);
      const { body, headers } = inferBinary(inputs, { parameters: { binary_data_output: true } }, seed % 4);
      if (seed % 5 === 4) {
        const cut = await ask(url, { body: body.subarray(0, body.length - 4), headers });
        expect(cut.status).toBe(400);
        return;
      }
      expect(binaryPredictions(await ask(url, { body, headers }))).toEqual(tinyAnswer(inputs));
    }),
  );
  expect((await ask(url, { body: inferJson(constantInputs(1)) })).status).toBe(200);
});

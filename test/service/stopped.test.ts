// A program may start and stop services as often as it likes.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { makeLog, readConfig, Service } from '../../src/service/index.js';
import { bundles } from '../fixtures/bundles.js';
import { ask } from './running.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

async function useAndStop(): Promise<WeakRef<Service>> {
  const config = readConfig({ defaults: { model: bundles.tiny, port: 0 } });
  const service = await Service.start(config, makeLog('silent'));
  await service.loaded;
  expect((await ask(`${service.address}/metrics`)).status).toBe(200);
  await service.stop();
  return new WeakRef(service);
}

test('nothing keeps a service that was stopped', async () => {
  const stopped = [await useAndStop(), await useAndStop()];
  // One that is kept lets the test run into its timeout.
  while (stopped.some((service) => service.deref() !== undefined)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    collectGarbage();
  }
});

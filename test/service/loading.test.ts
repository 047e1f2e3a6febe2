// What everyone can read of a service while its model is loaded.
import { afterEach, expect, test, vi } from 'vitest';
import { TFTEngine } from '../../src/index.js';
import { isCpp } from './cpp-server.js';
import { ask, running } from './running.js';

afterEach(() => vi.restoreAllMocks());

test.skipIf(isCpp)(
  'the state of loading has the progress, and no line of the log, which may name paths',
  async () => {
    const reasons: string[] = [];
    const load = TFTEngine.load;
    vi.spyOn(TFTEngine, 'load').mockImplementation(async (path, options) => {
      const see = async () => {
        const { json } = await ask(`${await address}/v2/health/ready`);
        reasons.push(String(json?.reason));
      };
      await see();
      options?.log?.({ level: 'info', message: '/home/someone/engines is read' });
      await see();
      options?.onProgress?.({ phase: 'parsing', share: 0.5 } as never);
      await see();
      return load.call(TFTEngine, path, options);
    });
    let known: (url: string) => void = () => {};
    const address = new Promise<string>((resolve) => {
      known = resolve;
    });
    await using service = await running({}, false);
    known(service.url);
    await service.service.loaded;
    const start = 'loading: the model is being loaded';
    expect(reasons).toEqual([start, start, 'loading: the engine is being built: parsing, 50 %']);
    expect(service.log.some(({ msg }) => msg === '/home/someone/engines is read')).toBe(true);
  },
);

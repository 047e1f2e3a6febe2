// tft-server leaves nothing of the models that it replaces (TFT_SERVER=cpp).
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { TINY } from '../cli/tft.js';
import { isCpp } from './cpp-server.js';
import { ask } from './running.js';
import { serve } from './serving.js';

const MIB = 1024 ** 2;
const RELOADS = 60;

/** The addresses that a process uses, the stacks of threads among them. */
function mappedBytes(pid: number | undefined): number {
  const [, kilobytes] = /^VmSize:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

describe.skipIf(!isCpp)('reloading', () => {
  test('leaves no thread that closed a model', async () => {
    const admin = 'administrator-key';
    // C's library reserves 64 MiB for each of several arenas, more of them on a busy machine.
    const served = serve(['--model', TINY], { TFT_SERVE_ADMIN_KEYS: admin, MALLOC_ARENA_MAX: '1' });
    const { address } = await served.says('listening');
    await served.says('ready');
    const reload = async (times: number) => {
      for (let count = 0; count < times; count++) {
        const answer = await ask(`${String(address)}/admin/reload`, {
          body: '',
          headers: { 'x-api-key': admin },
        });
        expect(answer.status).toBe(200);
      }
    };
    await reload(5);
    const settled = mappedBytes(served.child.pid);
    await reload(RELOADS);
    // The stack of a thread is 8 MiB.
    expect((mappedBytes(served.child.pid) - settled) / MIB).toBeLessThan(RELOADS * 4);
    served.child.kill('SIGTERM');
    expect(await served.ended).toBe(0);
  });
});

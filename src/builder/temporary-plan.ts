// A plan that is kept nowhere, for the moment in which TensorRT reads it: a file without a name, so that nothing
// stays behind whenever the process ends.
import { randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TFTError } from '../contract/errors.js';

/** Memory is last: it counts against a container's limit. */
const FOLDERS = [tmpdir(), '/dev/shm'];

/** A plan to be read by this process, until it is released. */
export interface TemporaryPlan {
  readonly path: string;
  release(): Promise<void>;
}

/** @throws TFTError ERR_TFT_CACHE where there is no room at all. */
export async function temporaryPlan(plan: Uint8Array): Promise<TemporaryPlan> {
  let problem: unknown;
  for (const folder of FOLDERS) {
    const name = join(folder, `tft-${randomBytes(8).toString('hex')}.engine`);
    try {
      const handle = await open(name, 'wx+', 0o600);
      try {
        await rm(name);
        await handle.writeFile(plan);
        return { path: `/proc/self/fd/${handle.fd}`, release: () => handle.close() };
      } catch (error) {
        await handle.close();
        throw error;
      }
    } catch (error) {
      problem = error;
    }
  }
  throw new TFTError(
    'ERR_TFT_CACHE',
    `there is no room for a plan of ${plan.length} bytes in ${FOLDERS.join(' or ')}: ${(problem as Error).message}; ` +
      'TMPDIR names another folder',
    { cause: problem },
  );
}

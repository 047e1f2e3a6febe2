// A plan that is not cached, as a file for TensorRT to read. The file has no name, so nothing is left behind whenever the
// process ends.
import { randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TFTError } from '../contract/errors.js';

/** /dev/shm comes last, because it counts against a container's memory limit. */
const FOLDERS = [tmpdir(), '/dev/shm'];

/** A plan that this process can read until it is released. */
export interface TemporaryPlan {
  readonly path: string;
  release(): Promise<void>;
}

/** @throws TFTError ERR_TFT_CACHE if no folder has enough room. */
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

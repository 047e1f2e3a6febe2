// The bundle that targets read, and a folder of their own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const TINY = fileURLToPath(new URL('../../fixtures/tiny', import.meta.url));

export function ownFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'tft-fuzz-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

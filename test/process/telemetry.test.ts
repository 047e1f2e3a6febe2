// ONNX Runtime keeps an identifier of the machine for its telemetry unless that is turned off.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { bundles } from '../fixtures/bundles.js';

const LIBRARY = pathToFileURL(join(import.meta.dirname, '../../lib/index.js')).href;

test('an engine writes nothing into the home and cache folders', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tft-telemetry-'));
  const program = `
    const { TFTEngine } = await import(${JSON.stringify(LIBRARY)});
    const engine = await TFTEngine.load(${JSON.stringify(bundles.tiny)}, { backend: 'onnxruntime' });
    await engine.warmup();
    await engine.close();`;
  const { ORT_DISABLE_TELEMETRY: _, ...env } = process.env;
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...env, HOME: folder, XDG_CACHE_HOME: folder },
  });
  expect(readdirSync(folder)).toEqual([]);
  rmSync(folder, { recursive: true });
});

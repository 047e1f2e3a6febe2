// A sample of what a service was asked, in the form that calibration takes.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { constantInputs } from '../fixtures/bundles.js';
import { ask, predictBody, running } from './running.js';

const folder = mkdtempSync(join(tmpdir(), 'tft-sample-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('what was answered is sampled, bounded, and written at the stop', async () => {
  const calibrationFolder = join(folder, 'set');
  const service = await running({ calibrationFolder, calibrationWindows: 4 });
  for (let i = 0; i < 3; i++) {
    const body = JSON.stringify(predictBody(constantInputs(2)));
    expect((await ask(`${service.url}/predict`, { body })).status).toBe(200);
  }
  // What is refused is in no sample.
  expect((await ask(`${service.url}/predict`, { body: '{}' })).status).toBe(400);
  await service.service.stop();

  const set = JSON.parse(readFileSync(join(calibrationFolder, 'calibration.json'), 'utf8'));
  expect(set).toMatchObject({ schemaVersion: 1, model: 'tiny', windows: 4, seen: 6 });
  for (const { path, bytes, sha256 } of Object.values<{ path: string; bytes: number; sha256: string }>(
    set.files,
  )) {
    const content = readFileSync(join(calibrationFolder, path));
    expect(content.length).toBe(bytes);
    expect(createHash('sha256').update(content).digest('hex')).toBe(sha256);
  }
});

test('a service writes none by default, and one that cannot write says so', async () => {
  const calibrationFolder = join(folder, 'none');
  await (await running({ calibrationFolder })).service.stop();
  expect(() => readFileSync(join(calibrationFolder, 'calibration.json'))).toThrow();

  writeFileSync(join(folder, 'file'), '');
  const service = await running({ calibrationFolder: join(folder, 'file', 'set') });
  await ask(`${service.url}/predict`, { body: JSON.stringify(predictBody(constantInputs(1))) });
  expect(await service.service.stop()).toBe(true);
  expect(service.log.map(({ msg }) => msg)).toContain('the calibration set cannot be written');
});

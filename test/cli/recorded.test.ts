// The main job on real input: 25 recorded servers of another system, through a column map.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { tft } from './tft.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const recording = join(
  process.env.TFT_DATA ?? resolve(root, '../shared/data'),
  'bitbrains-2013-08-test.csv.gz',
);
const bundle = join(root, 'models/demo');
const absent = [recording, bundle].find((path) => !existsSync(path));

describe.skipIf(absent !== undefined)(
  `the recorded servers${absent ? ` (skipped: ${absent} is absent)` : ''}`,
  () => {
    it('are all forecast, in plausible numbers', async () => {
      const map = join(root, 'maps/bitbrains.json');
      const { status, stdout, stderr } = await tft(['predict', recording, '--map', map, '--json']);
      expect(stderr).not.toContain('refused');
      expect(status).toBe(0);
      const { forecasts } = JSON.parse(stdout) as {
        forecasts: { quantiles: number[]; values: number[][] }[];
      };
      expect(forecasts).toHaveLength(25);
      for (const { quantiles, values } of forecasts) {
        const median = quantiles.indexOf(0.5);
        for (const row of values) {
          expect(row).toHaveLength(quantiles.length);
          expect(row[median]).toBeGreaterThan(-5);
          expect(row[median]).toBeLessThan(130);
        }
      }
    });
  },
);

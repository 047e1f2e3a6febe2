// tft-server with a plan on a GPU, over the doubles of CUDA and TensorRT (TFT_SERVER=cpp).
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { variedInputs } from '../fixtures/bundles.js';
import {
  bundleWithPlan,
  doubleAnswer,
  doublePlan,
  MAJORS,
  onDoubles,
  readReport,
} from '../fixtures/doubles.js';
import { isCpp } from './cpp-server.js';
import { ask, binaryPredictions, inferBinary } from './running.js';
import { serve } from './serving.js';

const { cudaPath = '' } = onDoubles();
const missing = isCpp && !existsSync(cudaPath);
if (missing) console.warn('skipped: the doubles of CUDA and TensorRT are not built (npm run test:native)');

describe.skipIf(!isCpp || missing)('a TensorRT plan', () => {
  const flags = (plan: string, major: 10 | 11 = 10) => {
    const { tensorrtPath = '' } = onDoubles(major);
    return ['--engine', plan, '--cuda', cudaPath, '--tensorrt', tensorrtPath];
  };

  test.each(MAJORS)('is served by TensorRT %i, and everything is freed', async (major) => {
    const bundle = bundleWithPlan();
    const report = join(bundle.folder, 'report.json');
    const served = serve(['--model', bundle.folder, ...flags(bundle.plan, major), '--devices', '0,1'], {
      TFT_DOUBLE_REPORT: report,
      TFT_DOUBLE_DEVICES: '2',
    });
    const { address } = await served.says('listening');
    expect(await served.says('ready')).toMatchObject({ backend: 'tensorrt', maxBatch: 8, threads: 4 });
    const url = `${String(address)}/v2/models/tiny/infer`;
    const asked = Array.from({ length: 12 }, (_, seed) => variedInputs(1 + (seed % 5) * 4, seed));
    const answers = await Promise.all(
      asked.map((inputs) => ask(url, inferBinary(inputs, { parameters: { binary_data_output: true } }))),
    );
    for (const [index, answer] of answers.entries())
      expect(binaryPredictions(answer)).toEqual(doubleAnswer(asked[index] as (typeof asked)[number]));
    const text = (await ask(`${String(address)}/metrics`)).bytes.toString();
    expect(text).toContain('backend="tensorrt"');
    served.child.kill('SIGTERM');
    expect(await served.ended).toBe(0);
    const { created, freed, violations } = readReport(report);
    expect(violations).toEqual([]);
    expect(freed).toEqual(created);
    bundle.remove();
  });

  test('that is not the model is refused, and the process ends with status 1', async () => {
    const bundle = bundleWithPlan({
      'model.engine': doublePlan({ replace: { 'input decoder_cat': 'input decoder_cat int32 -1,4,3' } }),
    });
    const served = serve(['--model', bundle.folder, ...flags(bundle.plan)]);
    const failure = await served.says('the model cannot be loaded');
    expect(failure).toMatchObject({
      code: 'ERR_TFT_PLAN_MISMATCH',
      reason: expect.stringContaining('decoder_cat'),
    });
    expect(await served.ended).toBe(1);
    bundle.remove();
  });
});

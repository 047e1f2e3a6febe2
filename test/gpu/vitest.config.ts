// As the other tests, but for these files, which `npm test` leaves out.
import { fileURLToPath } from 'node:url';
import { mergeConfig } from 'vitest/config';
import config from '../../vitest.config.js';

export default mergeConfig(
  { ...config, test: { ...config.test, include: [], exclude: [] } },
  {
    root: fileURLToPath(new URL('../..', import.meta.url)),
    test: { include: ['test/gpu/**/*.test.ts'], testTimeout: 300_000, hookTimeout: 300_000 },
  },
);

// As the other tests, but for these files: those that `npm test` leaves out, and the conformance suite, which then has a GPU too.
import { fileURLToPath } from 'node:url';
import { mergeConfig } from 'vitest/config';
import config from '../../vitest.config.js';

export default mergeConfig(
  { ...config, test: { ...config.test, include: [], exclude: [] } },
  {
    root: fileURLToPath(new URL('../..', import.meta.url)),
    test: {
      include: ['test/gpu/**/*.test.ts', 'test/conformance/**/*.test.ts'],
      testTimeout: 300_000,
      hookTimeout: 300_000,
    },
  },
);

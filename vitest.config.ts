// The tests import src/ and run lib/, which test/build.ts makes of it first: what is tested is what is published.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const lib = fileURLToPath(new URL('lib/', import.meta.url));

/** For a test that hangs. None is about speed: with 16 busy programs on two cores, some take close to a minute. */
const LAST_RESORT_MS = 300_000;

/** The longest files. Started last, one of them would run alone at the end. */
const LONGEST = ['native/gpu-run', 'service/simulation', 'native/ending', 'native/rtx', 'service/log-output'];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) =>
      LONGEST.some((file) => moduleId.endsWith(`${file}.test.ts`));
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  resolve: { alias: [{ find: /^(?:\.\.\/)+src\/(.*)$/, replacement: `${lib}$1` }] },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/gpu/**', 'node_modules/**'],
    globalSetup: ['test/build.ts'],
    server: { deps: { external: [new RegExp(`^${lib}`)] } },
    testTimeout: LAST_RESORT_MS,
    hookTimeout: LAST_RESORT_MS,
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    retry: 0,
  },
});

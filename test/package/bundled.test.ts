// An application that a bundler makes one file of: with this package kept external it works; with it inside, the error says
// what to do.
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import webpack from 'webpack';
import { bundles } from '../fixtures/bundles.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { dependencies } = createRequire(import.meta.url)('../../package.json') as {
  dependencies: Record<string, string>;
};
const TELLS = /^ERR_TFT_BUNDLED .*keep it external.*--external:tft-tensorrt.*serverExternalPackages/;
let project: string;

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'tft-bundled-'));
  const own = join(project, 'node_modules/tft-tensorrt');
  mkdirSync(own, { recursive: true });
  for (const part of ['lib', 'package.json']) cpSync(join(root, part), join(own, part), { recursive: true });
  for (const name of [...Object.keys(dependencies), 'onnxruntime-node']) {
    const link = join(project, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), link);
  }
  writeFileSync(
    join(project, 'main.mjs'),
    `import { TFTEngine } from 'tft-tensorrt';
    TFTEngine.load(${JSON.stringify(bundles.tiny)}).then(
      async (engine) => { console.log('loaded', engine.info.backend); await engine.close(); },
      (error) => console.log(error.code, error.message),
    );`,
  );
});
afterAll(() => rmSync(project, { recursive: true }));

async function run(file: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: project });
  return stdout.trim();
}

async function byEsbuild(format: 'esm' | 'cjs', external: string[]): Promise<string> {
  const outfile = join(project, `out-${external.length}.${format === 'esm' ? 'mjs' : 'cjs'}`);
  await build({
    entryPoints: [join(project, 'main.mjs')],
    bundle: true,
    platform: 'node',
    format,
    external,
    outfile,
    logLevel: 'error',
  });
  return run(outfile);
}

function byWebpack(externals: string[]): Promise<string> {
  const filename = `webpack-${externals.length}.mjs`;
  return new Promise((resolve, reject) => {
    webpack(
      {
        mode: 'none',
        context: project,
        entry: './main.mjs',
        target: 'node20',
        experiments: { outputModule: true },
        externals,
        externalsType: 'module',
        output: { path: project, filename, module: true, chunkFormat: 'module' },
      },
      (error, stats) => {
        if (error) return reject(error);
        if (stats?.hasErrors()) return reject(new Error(stats.toString({ all: false, errors: true })));
        run(filename).then(resolve, reject);
      },
    );
  });
}

test('esbuild: kept external it works, as an ES module and as CommonJS', async () => {
  expect(await byEsbuild('esm', ['tft-tensorrt'])).toBe('loaded onnxruntime');
  const cjs = await byEsbuild('cjs', ['tft-tensorrt']).catch((error: { stderr: string }) => error.stderr);
  // require() of ES modules came with Node 20.19 and 22.12.
  expect(cjs).toMatch(/^loaded onnxruntime$|ERR_REQUIRE_ESM/);
});

test('esbuild: in the bundle it says what to do, as an ES module and as CommonJS', async () => {
  expect(await byEsbuild('esm', [])).toMatch(TELLS);
  expect(await byEsbuild('cjs', [])).toMatch(TELLS);
});

test('webpack: kept external it works', async () => {
  expect(await byWebpack(['tft-tensorrt'])).toBe('loaded onnxruntime');
});

test('webpack: in the bundle it builds, and works or says what to do', async () => {
  // webpack writes where each file lay when it was bundled into the bundle: there it still finds the package.
  expect(await byWebpack([])).toMatch(/^loaded onnxruntime$|ERR_TFT_BUNDLED/);
});

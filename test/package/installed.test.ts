// The package as a stranger installs it: packed, then installed into an empty project without an .npmrc.
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
let folder: string;
let project: string;

// npm's own settings of the clone must not reach the new project. The native addon may be left out: tests do not build it.
const environment = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith('npm_')),
  ),
  TFT_PACK_WITHOUT_NATIVE: '1',
};
const inProject = (command: string, ...rest: string[]) =>
  run(command, rest, { cwd: project, env: environment, maxBuffer: 1 << 26 });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tft-package-'));
  // Packed from a copy: packing rebuilds lib/, which other tests are running.
  const copy = join(folder, 'copy');
  const left = new Set(['.git', 'node_modules', 'lib', 'vendor', 'python', 'build', 'benchmarks', 'test']);
  for (const entry of await readdir(root)) {
    if (!left.has(entry)) {
      await cp(join(root, entry), join(copy, entry), { recursive: true });
    }
  }
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  await run('npm', ['pack', '--pack-destination', folder], { cwd: copy, env: environment });
  const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz')) ?? '';
  project = await mkdtemp(join(tmpdir(), 'tft-project-'));
  await writeFile(join(project, 'package.json'), '{"name":"project","version":"1.0.0","private":true}');
  await inProject('npm', 'install', '--no-audit', '--no-fund', join(folder, tarball));
}, 300_000);

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await rm(project, { recursive: true, force: true });
});

test('nothing that builds, downloads or tests is installed with it', async () => {
  const installed = await readdir(join(project, 'node_modules'));
  expect(installed).toContain('tft-tensorrt');
  expect(installed).not.toContain('onnxruntime-node');
  expect(installed).not.toContain('typescript');
});

test('nothing of it runs when it is installed', async () => {
  const own = join(project, 'node_modules/tft-tensorrt');
  const { scripts } = JSON.parse(await readFile(join(own, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$/.test(name))).toEqual([]);
  // Package managers build what has one, whatever package.json says.
  expect(await readdir(own)).not.toContain('binding.gyp');
  expect(await readdir(join(own, 'models/demo'))).not.toContain('checkpoint.ckpt');
});

test('without the native addon nothing is packed, unless that is said to be right', async () => {
  const empty = join(folder, 'empty/scripts');
  await cp(join(root, 'scripts/check-prebuilds.mjs'), join(empty, 'check-prebuilds.mjs'));
  const check = (more: NodeJS.ProcessEnv) => {
    const { TFT_PACK_WITHOUT_NATIVE: _without, ...rest } = environment;
    return run(process.execPath, [join(empty, 'check-prebuilds.mjs')], { env: { ...rest, ...more } });
  };
  await expect(check({})).rejects.toThrow('npm run pack:native');
  await check({ TFT_PACK_WITHOUT_NATIVE: '1' });
});

test("the README's main sample works as it is pasted", async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const [, sample = ''] = /## In a service\s+```js\n(.*?)```/s.exec(readme) ?? [];
  await writeFile(join(project, 'sample.mjs'), sample);
  const { stdout, stderr } = await inProject(process.execPath, 'sample.mjs');
  expect(stderr).toBe('');
  expect(stdout.trim().split('\n')).toHaveLength(20);
});

test('models, maps and schemas are found by their names', async () => {
  await writeFile(
    join(project, 'names.mjs'),
    `for (const name of ['models/demo/model.json', 'maps/bitbrains.json', 'schemas/forecast.schema.json'])
      console.log(import.meta.resolve('tft-tensorrt/' + name).startsWith('file:'));`,
  );
  const { stdout } = await inProject(process.execPath, 'names.mjs');
  expect(stdout).toBe('true\n'.repeat(3));
});

test('an ES module imports it and forecasts', async () => {
  await writeFile(
    join(project, 'esm.mjs'),
    `import { TFTEngine } from 'tft-tensorrt';
    const engine = await TFTEngine.load('demo');
    const { encoderLength: past, horizon, metrics, known, categories } = engine.model;
    const forecast = await engine.predict({
      encoderCont: new Float32Array(past * metrics.length).fill(7),
      encoderCat: new Int32Array(past * categories.length),
      decoderCont: new Float32Array(horizon * known.length),
      decoderCat: new Int32Array(horizon * categories.length),
    });
    console.log(JSON.stringify(forecast.shape));
    await engine.close();`,
  );
  const { stdout, stderr } = await inProject(process.execPath, 'esm.mjs');
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual([1, 96, 7]);
});

test('CommonJS imports it by import()', async () => {
  await writeFile(
    join(project, 'commonjs.cjs'),
    `import('tft-tensorrt').then(({ TFTEngine, TFTError }) => console.log(typeof TFTEngine.load, new TFTError('ERR_TFT_CLOSED', '').code));`,
  );
  const { stdout } = await inProject(process.execPath, 'commonjs.cjs');
  expect(stdout).toBe('function ERR_TFT_CLOSED\n');
});

test('its types are found, and a wrong argument is an error', async () => {
  await writeFile(
    join(project, 'typed.mts'),
    `import { type Forecast, TFTEngine } from 'tft-tensorrt';
    const engine: TFTEngine = await TFTEngine.load('models/demo', { backend: 'auto' });
    const median: Float32Array = ({} as Forecast).quantile(0.5);
    // @ts-expect-error a list of numbers is no Float32Array
    await engine.predict({ encoderCont: [1], encoderCat: new Int32Array(1), decoderCont: new Float32Array(1), decoderCat: new Int32Array(1) });
    console.log(median);`,
  );
  await writeFile(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        noEmit: true,
        strict: true,
        module: 'nodenext',
        target: 'es2022',
        lib: ['es2022'],
        types: ['node'],
        typeRoots: [join(root, 'node_modules', '@types')],
      },
      files: ['typed.mts'],
    }),
  );
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  await inProject(process.execPath, tsc, '--project', '.').catch((error: { stdout?: string }) => {
    throw new Error(error.stdout);
  });
  // A compilation, on a machine that may have better to do.
}, 300_000);

test('tft demo forecasts the sample fleet', async () => {
  const { stdout } = await inProject(join(project, 'node_modules', '.bin', 'tft'), 'demo');
  expect(stdout).toContain('Simulated data');
  expect(stdout).toMatch(/20 forecasts in/);
});

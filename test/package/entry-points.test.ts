// The package as a user's project finds it: from ES modules and CommonJS, with the ONNX Runtime that is packed
// with it, the installed one, or none.
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bundles } from '../fixtures/bundles.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const packageOf = (name: string) => join(root, 'node_modules', name);
const { dependencies } = createRequire(import.meta.url)('../../package.json') as {
  dependencies: Record<string, string>;
};

let project: string;
let own: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 'tft-package-'));
  own = join(project, 'node_modules/tft-tensorrt');
  mkdirSync(own, { recursive: true });
  for (const part of ['lib', 'package.json']) cpSync(join(root, part), join(own, part), { recursive: true });
  for (const name of Object.keys(dependencies)) link(name, join(project, 'node_modules'));
});
afterEach(() => rmSync(project, { recursive: true }));

function link(name: string, modules: string): void {
  mkdirSync(dirname(join(modules, name)), { recursive: true });
  symlinkSync(packageOf(name), join(modules, name));
}

/** Packs ONNX Runtime into the package as npm pack does, with a mark in its version to know it by. */
function packOnnxRuntime(): void {
  const from = packageOf('onnxruntime-node');
  const to = join(own, 'vendor/onnxruntime-node');
  mkdirSync(join(to, 'bin/napi-v6'), { recursive: true });
  cpSync(join(from, 'dist'), join(to, 'dist'), { recursive: true });
  symlinkSync(join(from, 'bin/napi-v6', process.platform), join(to, 'bin/napi-v6', process.platform));
  writeFileSync(join(to, 'package.json'), JSON.stringify({ main: 'dist/index.js', version: '0.0.0-packed' }));
}

const body = `
  const engine = await TFTEngine.load(${JSON.stringify(bundles.tiny)}).catch((error) => error);
  if (engine instanceof Error) console.log(engine.code, engine.message);
  else {
    const inputs = { encoderCont: new Float32Array(18), encoderCat: new Int32Array(12),
      decoderCont: new Float32Array(8), decoderCat: new Int32Array(8) };
    console.log((await engine.predict(inputs)).data[0], engine.info.versions.onnxruntime);
    await engine.close();
  }`;

async function run(name: string, code: string): Promise<string> {
  writeFileSync(join(project, name), code);
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [name], { cwd: project });
  expect(stderr).toBe('');
  return stdout.trim();
}
const module = () => run('main.mjs', `import { TFTEngine } from 'tft-tensorrt';${body}`);

test('an ES module imports it and uses the installed ONNX Runtime', async () => {
  link('onnxruntime-node', join(project, 'node_modules'));
  expect(await module()).toMatch(/^-1 1\./);
});

test('a CommonJS module imports it with import()', async () => {
  link('onnxruntime-node', join(project, 'node_modules'));
  const code = `void (async () => { const { TFTEngine } = await import('tft-tensorrt');${body} })();`;
  expect(await run('main.cjs', code)).toMatch(/^-1 1\./);
});

test('each entry point has its part', async () => {
  const code = `
    const { FleetHistory, readHistory, CalibrationReservoir } = await import('tft-tensorrt/history');
    const { buildEngine, listCache, inspectBundle, verifyBundle } = await import('tft-tensorrt/build');
    const { Service } = await import('tft-tensorrt/service');
    const all = { FleetHistory, readHistory, CalibrationReservoir, buildEngine, listCache, inspectBundle, verifyBundle, Service };
    console.log(Object.entries(all).filter(([, part]) => typeof part !== 'function').map(([name]) => name).join());`;
  expect(await run('entries.mjs', code)).toBe('');
});

test('the packed ONNX Runtime comes before the installed one', async () => {
  link('onnxruntime-node', join(project, 'node_modules'));
  packOnnxRuntime();
  expect(await module()).toBe('-1 0.0.0-packed');
});

test('the packed ONNX Runtime is enough', async () => {
  packOnnxRuntime();
  expect(await module()).toBe('-1 0.0.0-packed');
});

test('without any, loading says what to install', async () => {
  expect(await module()).toMatch(/^ERR_TFT_BACKEND_UNAVAILABLE .*npm install onnxruntime-node/);
});

test('an address for gRPC says what to install', async () => {
  const code = `
    import { TFTEngine } from 'tft-tensorrt';
    await TFTEngine.load('kserve+grpc://localhost:1/tiny', { bundle: ${JSON.stringify(bundles.tiny)} })
      .catch((error) => console.log(error.code, error.message));`;
  expect(await run('grpc.mjs', code)).toMatch(/^ERR_TFT_BACKEND_UNAVAILABLE .*npm install @grpc\/grpc-js/);
  link('@grpc/grpc-js', join(project, 'node_modules'));
  expect(await run('grpc.mjs', code)).toMatch(/^ERR_TFT_REMOTE_UNAVAILABLE .*ECONNREFUSED/);
});

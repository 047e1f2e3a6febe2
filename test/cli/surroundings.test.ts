// What is around the program: a user without a home, a folder that was deleted, file systems without what others have,
// Node's permission model. The main task runs, or one line says what prevents it.
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { engineFolder, foreignHand } from '../../src/builder/cache-folder.js';
import { runNode } from '../fixtures/programs.js';
import { HEADER, lines, TFT, TINY, tft } from './tft.js';

const folder = mkdtempSync(join(tmpdir(), 'tft-surroundings-'));
const history = join(folder, 'history.csv');
writeFileSync(history, HEADER + lines('web-01', 1, 6));
const PREDICT = ['predict', history, '--model', TINY, '--json'];

/** A module that is loaded before the program; what it changes of Node's own modules holds everywhere. */
function preload(name: string, code: string): string[] {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(
    path,
    `import { syncBuiltinESMExports } from 'node:module';\n${code}\nsyncBuiltinESMExports();\n`,
  );
  return ['--import', pathToFileURL(path).href];
}

const { HOME: _home, TFT_CACHE: _cache, XDG_CACHE_HOME: _xdg, ...HOMELESS } = process.env;

describe('a user without a home or an entry among the users', () => {
  const noHome = preload(
    'no-home',
    "import os from 'node:os'; os.homedir = () => { throw Object.assign(new Error('uv_os_homedir returned ENOENT'), { code: 'ERR_SYSTEM_ERROR' }); };",
  );
  const run = (...args: string[]) => runNode([...noHome, TFT, ...args], { env: HOMELESS });

  test.each(['auto', 'onnxruntime'])('forecasts, with the backend %s', async (backend) => {
    const { code, stdout } = await run(...PREDICT, '--backend', backend);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ forecasts: [{ server: 'web-01' }] });
  });

  test('doctor says that there is no place for engines, and goes on', async () => {
    const { code, stdout } = await run('doctor', '--model', TINY);
    expect(code).toBe(0);
    expect(stdout).toMatch(/engine cache +there is no folder for the engine cache/);
    expect(stdout).toContain('Forecasts can be made here.');
  });

  test('the cache says in one line what to do', async () => {
    const { code, stderr } = await run('cache', 'list');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^tft: there is no folder for the engine cache, .* TFT_CACHE \(ERR_TFT_CACHE\)\n$/,
    );
  });
});

test.skipIf(process.platform === 'win32')('in a folder that has been deleted', async () => {
  const gone = mkdtempSync(join(folder, 'gone-'));
  const deleteIt = preload('gone', `import fs from 'node:fs'; fs.rmdirSync(${JSON.stringify(gone)});`);
  const { code, stdout, stderr } = await runNode([...deleteIt, TFT, ...PREDICT], { cwd: gone });
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ forecasts: [{ server: 'web-01' }] });
});

test.skipIf(process.platform === 'win32')(
  'a library in a deleted folder says so, not that a new try may do',
  async () => {
    const gone = mkdtempSync(join(folder, 'gone-'));
    const lib = new URL('../../lib/index.js', import.meta.url).href;
    const program = join(folder, 'program.mjs');
    writeFileSync(
      program,
      `import { rmdirSync } from 'node:fs'; import { TFTEngine } from ${JSON.stringify(lib)};
    rmdirSync(${JSON.stringify(gone)});
    const onnxruntime = { native: false };
    await TFTEngine.load(${JSON.stringify(TINY)}, { backend: 'onnxruntime', onnxruntime }).catch(({ code, message }) => console.log(code, message));`,
    );
    const { stdout } = await runNode([program], { cwd: gone });
    expect(stdout).toMatch(/^ERR_TFT_BACKEND_UNAVAILABLE .*has been deleted/);
    expect(stdout).not.toContain('sent again');
  },
);

test("Node's permission model: what is forbidden is named", async () => {
  const flag = process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission';
  const { code, stderr } = await runNode([
    ...[flag, '--allow-fs-read=*', '--allow-fs-write=*', '--no-warnings'],
    ...[TFT, ...PREDICT, '--backend', 'onnxruntime'],
  ]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^tft: Node's permission model forbids .*--allow-worker.*\n$/);
  const blind = await runNode([
    flag,
    `--allow-fs-read=${new URL('../..', import.meta.url).pathname}*`,
    '--no-warnings',
    TFT,
    ...PREDICT,
  ]);
  expect(blind.code).toBe(1);
  expect(blind.stderr).not.toContain('fault of tft itself');
});

describe('a file system', () => {
  const lock = (more: string) => {
    const path = join(mkdtempSync(join(folder, 'locks-')), 'engine.lock');
    const lib = new URL('../../lib/builder/build-lock.js', import.meta.url).href;
    return `import { tryLock } from ${JSON.stringify(lib)}; const path = ${JSON.stringify(path)}; ${more}`;
  };

  test.each(['EPERM', 'ENOTSUP', 'EIO'])('without hard links (%s) still has locks', async (code) => {
    const program = join(folder, `lock-${code}.mjs`);
    writeFileSync(
      program,
      lock(`
      const all = await Promise.all(Array.from({ length: 20 }, () => tryLock(path)));
      const held = all.filter((one) => 'release' in one);
      console.log(held.length); await held[0].release(); console.log('release' in await tryLock(path)); process.exit();`),
    );
    const noLinks = preload(
      `no-links-${code}`,
      `import { promises } from 'node:fs'; promises.link = async () => { throw Object.assign(new Error('link'), { code: '${code}' }); };`,
    );
    expect((await runNode([...noLinks, program])).stdout).toBe('1\ntrue\n');
  });

  test.each(['EINVAL', 'ENOTSUP', 'EISDIR'])(
    'that cannot sync folders (%s) still keeps files',
    async (code) => {
      const noSync = preload(
        `no-sync-${code}`,
        `import { promises } from 'node:fs';
      const { open } = promises;
      promises.open = async (path, flags, ...more) => {
        const handle = await open(path, flags, ...more);
        if ((await handle.stat()).isDirectory()) handle.sync = async () => { throw Object.assign(new Error('fsync'), { code: '${code}' }); };
        return handle;
      };`,
      );
      const out = mkdtempSync(join(folder, 'calibration-'));
      rmSync(out, { recursive: true });
      const args = ['calibration', 'collect', '--history', history, '--model', TINY, '-o', out];
      const { code: status, stderr } = await runNode([...noSync, TFT, ...args]);
      expect([status, stderr]).toEqual([0, expect.not.stringContaining('fsync')]);
    },
  );

  test('that may not be written to, with a home that is not there, forecasts', async () => {
    const { status, stdout } = await tft(PREDICT, { env: { HOME: '/nonexistent', TMPDIR: '/nonexistent' } });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ forecasts: [{ server: 'web-01' }] });
  });
});

test.skipIf(process.getuid === undefined)('other users who may change a plan are named', async () => {
  const cache = engineFolder(mkdtempSync(join(folder, 'cache-')));
  const own = join(folder, 'own.engine');
  writeFileSync(own, '');
  chmodSync(own, 0o644);
  expect(await foreignHand(own)).toBeUndefined();
  expect(await foreignHand(cache)).toBeUndefined();
  chmodSync(own, 0o664);
  expect(await foreignHand(own)).toMatch(/others may write to .*own\.engine \(mode 664\)/);
  symlinkSync(own, `${own}.link`);
  expect(await foreignHand(`${own}.link`)).toMatch(/is a link/);
});

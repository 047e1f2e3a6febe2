// Builds the fleet's page: web/ into lib/web/, three files that the daemon serves, and the licences of what is in them.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = join(root, 'lib', 'web');

/** Builds the page into lib/web/. */
export async function buildPage() {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: { page: 'web/main.tsx' },
    outdir: target,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
    write: false,
  });
  for (const { path, text } of outputFiles) replaceWhenDifferent(path, text);
  for (const file of ['index.html', 'icon.svg']) {
    replaceWhenDifferent(join(target, file), readFileSync(join(root, 'web', file), 'utf8'));
  }
  replaceWhenDifferent(join(target, 'LICENSES.txt'), licences(Object.keys(metafile.inputs)));
}

/** The licences of the packages that the page contains. */
function licences(inputs) {
  const folders = inputs
    .map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0])
    .filter((folder) => folder !== undefined);
  return [...new Set(folders)]
    .sort()
    .map((folder) => {
      const { name, version } = JSON.parse(readFileSync(resolve(root, folder, 'package.json'), 'utf8'));
      return `${name} ${version}\n\n${readFileSync(resolve(root, folder, 'LICENSE'), 'utf8').trim()}\n`;
    })
    .join('\n----\n\n');
}

/** Never a half-written file, and no write at all when nothing changed: a test run may be reading. */
function replaceWhenDifferent(path, text) {
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.${process.pid}`, text);
  renameSync(`${path}.${process.pid}`, path);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildPage();

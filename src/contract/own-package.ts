// Where this package's own files are: models, libraries, the file of the worker thread. A bundler that puts the package into
// one file with an application takes its code along and leaves these behind, so a request for them is refused with this reason.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TFTError } from './errors.js';

let root: string | undefined;

/** The folder of this package. @throws TFTError ERR_TFT_BUNDLED where its code runs from another file than it was installed as. */
function packageRoot(): string {
  root ??= findRoot();
  return root;
}

/** The path of one of this package's files or folders, such as 'models/demo'. @throws TFTError ERR_TFT_BUNDLED. */
export function ownFile(path: string): string {
  return join(packageRoot(), path);
}

/** `require` as this package's own files have it. @throws TFTError ERR_TFT_BUNDLED. */
export function ownRequire(): NodeJS.Require {
  // Not imported: webpack puts a require of its own in the place of an imported one.
  return process.getBuiltinModule('node:module').createRequire(ownFile('package.json'));
}

function findRoot(): string {
  // A bundle of CommonJS modules has no URL.
  const { url } = import.meta as { readonly url?: string };
  if (url?.startsWith('file:')) {
    // lib/contract/own-package.js; not by new URL, which bundlers take for a file to copy.
    const folder = dirname(dirname(dirname(fileURLToPath(url))));
    const description = join(folder, 'package.json');
    if (existsSync(description) && isOwn(description)) return folder;
  }
  throw new TFTError(
    'ERR_TFT_BUNDLED',
    'tft-tensorrt runs from inside a bundle, and its native libraries, worker thread and models cannot be in one: keep it ' +
      "external, and installed beside the bundle (esbuild: --external:tft-tensorrt; webpack: externals: ['tft-tensorrt']; " +
      "Next.js: serverExternalPackages: ['tft-tensorrt']); docs/bundlers.md has more",
  );
}

function isOwn(description: string): boolean {
  try {
    return (JSON.parse(readFileSync(description, 'utf8')) as { name?: string }).name === 'tft-tensorrt';
  } catch {
    return false;
  }
}

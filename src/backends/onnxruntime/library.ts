// Finds ONNX Runtime's Node package: the copy packed into this package, else the installed one.
//
// The installed package's install script needs the network and is often blocked, so a published tft-tensorrt
// brings the files of its platform along, in vendor/onnxruntime-node.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isMusl } from '../../contract/c-library.js';
import { TFTError } from '../../contract/errors.js';
import { ownFile, ownRequire } from '../../contract/own-package.js';

/** Where ONNX Runtime was found. */
export interface OnnxRuntimeLibrary {
  /** The package's folder, to be given to `require`. */
  readonly directory: string;
  /** The folder of its binaries for this platform: those for Node, and the library that they run. */
  readonly binaries: string;
  readonly version: string;
}

/** @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE if there is none for this platform. */
export function findOnnxRuntime(): OnnxRuntimeLibrary {
  const candidates = [ownFile('vendor/onnxruntime-node'), installed()].filter(
    (directory) => directory !== undefined,
  );
  if (isMusl()) {
    throw new TFTError(
      'ERR_TFT_BACKEND_UNAVAILABLE',
      'ONNX Runtime has no library for musl, the C library of Alpine: use an image with glibc, such as node:22-slim',
    );
  }
  const directory = candidates.find(binaryFolder);
  const binaries = directory && binaryFolder(directory);
  if (binaries === undefined) {
    const platform = `${process.platform}-${process.arch}`;
    throw new TFTError(
      'ERR_TFT_BACKEND_UNAVAILABLE',
      `ONNX Runtime is missing for ${platform}: run 'npm install onnxruntime-node' (if its install script ` +
        `cannot reach the network, 'npm install --ignore-scripts onnxruntime-node')`,
      { details: { platform, looked: candidates } },
    );
  }
  const { version } = JSON.parse(readFileSync(join(directory as string, 'package.json'), 'utf8')) as {
    version: string;
  };
  return { directory: directory as string, binaries, version };
}

function installed(): string | undefined {
  try {
    return dirname(ownRequire().resolve('onnxruntime-node/package.json'));
  } catch {
    return undefined;
  }
}

function binaryFolder(directory: string): string | undefined {
  const binaries = join(directory, 'bin');
  if (!existsSync(binaries)) return undefined;
  return readdirSync(binaries)
    .map((abi) => join(binaries, abi, process.platform, process.arch))
    .find((folder) => existsSync(join(folder, 'onnxruntime_binding.node')));
}

// Finds ONNX Runtime's Node package: the copy packed into this package, else the installed one.
//
// The installed package's install script needs the network and is often blocked, so a published tft-tensorrt
// brings the files of its platform along, in vendor/onnxruntime-node.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TFTError } from '../../contract/errors.js';

/** Where ONNX Runtime was found. */
export interface OnnxRuntimeLibrary {
  /** The package's folder, to be given to `require`. */
  readonly directory: string;
  readonly version: string;
}

const packed = fileURLToPath(new URL('../../../vendor/onnxruntime-node', import.meta.url));

/** @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE if there is none for this platform. */
export function findOnnxRuntime(): OnnxRuntimeLibrary {
  const candidates = [packed, installed()].filter((directory) => directory !== undefined);
  const found = candidates.find(hasBinary);
  if (found === undefined) {
    const platform = `${process.platform}-${process.arch}`;
    throw new TFTError(
      'ERR_TFT_BACKEND_UNAVAILABLE',
      `ONNX Runtime is missing for ${platform}: run 'npm install onnxruntime-node' (if its install script ` +
        `cannot reach the network, 'npm install --ignore-scripts onnxruntime-node')`,
      { details: { platform, looked: candidates } },
    );
  }
  const { version } = JSON.parse(readFileSync(join(found, 'package.json'), 'utf8')) as { version: string };
  return { directory: found, version };
}

function installed(): string | undefined {
  try {
    return dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  } catch {
    return undefined;
  }
}

function hasBinary(directory: string): boolean {
  const binaries = join(directory, 'bin');
  if (!existsSync(binaries)) return false;
  return readdirSync(binaries).some((abi) =>
    existsSync(join(binaries, abi, process.platform, process.arch, 'onnxruntime_binding.node')),
  );
}

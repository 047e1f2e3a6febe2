// Determines what a path is: a bundle, an ONNX file, a plan or a URL. Nothing else decides this.
import { existsSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { TFTError } from './errors.js';
import { type FileKind, fileKind, MODEL_FILE } from './names.js';
import { packedModel } from './packed.js';
import { typeName } from './typed-array.js';

/** A model's location in the file system. */
export interface Located {
  /** 'bundle' for a folder and for its model.json; else the kind of the file. */
  readonly kind: 'bundle' | FileKind;
  /** The absolute path of the bundle's folder, else of the file. */
  readonly path: string;
  /** The bundle's folder, else the file's: a model.json there describes the model. */
  readonly directory: string;
  /** Whether that folder has a model.json. */
  readonly isDescribed: boolean;
}

/**
 * Determines what a path is.
 *
 * @param given a bundle folder or its model.json, an ONNX file, a TensorRT plan, or the name of a packed model: 'demo'.
 * @throws TFTError ERR_TFT_OPTION if it is not a string, ERR_TFT_MODEL_NOT_FOUND if it does not exist,
 *   ERR_TFT_MODEL_INVALID for any other file, ERR_TFT_BACKEND_UNAVAILABLE for a URL.
 */
export function locate(given: string): Located {
  if (typeof given !== 'string') {
    throw new TFTError('ERR_TFT_OPTION', `path: found ${typeName(given)}, expected a string`);
  }
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(given)) {
    throw new TFTError(
      'ERR_TFT_BACKEND_UNAVAILABLE',
      `${given} is the address of a server, and no backend of this build forwards requests; name a file or a folder`,
      { details: { path: given } },
    );
  }
  const path = resolve(packedModel(given) ?? given);
  const kind = statOf(path, given).isDirectory() || basename(path) === MODEL_FILE ? 'bundle' : fileKind(path);
  if (kind === undefined) {
    throw new TFTError(
      'ERR_TFT_MODEL_INVALID',
      `${given} is neither a bundle's folder nor an ONNX file nor a TensorRT plan`,
    );
  }
  const isFolder = kind === 'bundle' && basename(path) !== MODEL_FILE;
  const directory = isFolder ? path : dirname(path);
  return {
    kind,
    path: kind === 'bundle' ? directory : path,
    directory,
    isDescribed: existsSync(join(directory, MODEL_FILE)),
  };
}

function statOf(path: string, given: string): Stats {
  try {
    return statSync(path);
  } catch (cause) {
    throw new TFTError('ERR_TFT_MODEL_NOT_FOUND', `no model at ${given}`, {
      cause,
      details: { path: given },
    });
  }
}

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

/** A model on servers that speak KServe v2. */
export interface RemoteAddress {
  /** The servers, such as http://host:8000, or grpc://host:8001 and grpcs:// with TLS. All serve the same model. */
  readonly origins: readonly string[];
  readonly model: string;
  /** The served version; the server's own choice without it. */
  readonly version: string | undefined;
}

const REMOTE = /^(kserves?)(\+grpc)?:\/\/([^/?#@]+)\/([^/?#]+)(?:\/([^/?#]+))?\/?$/i;

/**
 * The servers that addresses name: `kserve://host:port[,host:port …]/MODEL[/VERSION]`, with TLS `kserves://`, by gRPC
 * `kserve+grpc://` and `kserves+grpc://`.
 *
 * @returns undefined for a path.
 * @throws TFTError ERR_TFT_OPTION if an address is incomplete, or if several do not name one model.
 */
export function remoteAddress(given: string | readonly string[]): RemoteAddress | undefined {
  const all: readonly unknown[] = Array.isArray(given) ? (given as readonly unknown[]) : [given];
  const isRemote = all.some((one) => typeof one === 'string' && /^kserves?(\+grpc)?:\/\//i.test(one));
  if (!isRemote) return undefined;
  const addresses = all.map(oneAddress);
  const [{ model, version } = { model: '', version: undefined }] = addresses;
  if (addresses.some((other) => other.model !== model || other.version !== version)) {
    throw new TFTError(
      'ERR_TFT_OPTION',
      `the addresses ${all.join(', ')} name different models; one is expected`,
    );
  }
  return { origins: [...new Set(addresses.flatMap(({ origins }) => origins))], model, version };
}

function oneAddress(given: unknown): RemoteAddress {
  const [, scheme = '', grpc, hosts = '', model, version] = REMOTE.exec(String(given)) ?? [];
  const isSecure = scheme.toLowerCase() === 'kserves';
  const [name, served] = [model, version].map(decoded);
  const origins = hosts.split(',').map((host) => {
    const text = `${isSecure ? 'https' : 'http'}://${host}`;
    if (!URL.canParse(text)) return undefined;
    const url = new URL(text);
    if (grpc === undefined) return url.origin;
    return `${isSecure ? 'grpcs' : 'grpc'}://${url.hostname}:${url.port || (isSecure ? 443 : 80)}`;
  });
  if (name === undefined || (version !== undefined && served === undefined) || origins.includes(undefined)) {
    throw new TFTError(
      'ERR_TFT_OPTION',
      `${String(given)} is not the address of a model; kserve://host:8000/MODEL is expected, with TLS kserves://, by gRPC kserve+grpc:// and kserves+grpc://`,
      { details: { path: given } },
    );
  }
  return { origins: origins as string[], model: name, version: served };
}

function decoded(part: string | undefined): string | undefined {
  try {
    return part === undefined ? undefined : decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

/**
 * Determines what a path is.
 *
 * @param given a bundle folder or its model.json, an ONNX file, a TensorRT plan, a TorchScript module, or the name of a packed model: 'demo'.
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
      `${given} is the address of a server, and no backend of this build speaks its protocol; name a file, a folder or ` +
        'kserve://host:8000/MODEL',
      { details: { path: given } },
    );
  }
  const path = resolve(packedModel(given) ?? given);
  const kind = statOf(path, given).isDirectory() || basename(path) === MODEL_FILE ? 'bundle' : fileKind(path);
  if (kind === undefined) {
    throw new TFTError(
      'ERR_TFT_MODEL_INVALID',
      `${given} is neither a bundle's folder nor an ONNX file, a TensorRT plan or a TorchScript module (.ts.pt)`,
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
    const name = basename(given);
    const packed = packedModel(name) !== undefined;
    const hint = packed ? `; the model '${name}' of this package is loaded by that name alone` : '';
    throw new TFTError('ERR_TFT_MODEL_NOT_FOUND', `no model at ${given}${hint}`, {
      cause,
      details: { path: given },
    });
  }
}

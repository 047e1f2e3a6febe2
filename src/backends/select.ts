// The table of backends, and the choice among them. A backend that is asked for by name never falls back. 'auto' takes
// the first that can run the model without building anything, and gives the reason.
import type { Backend } from '../batching/backend.js';
import { TFTError } from '../contract/errors.js';
import type { BackendName } from '../contract/names.js';
import { kserveRow } from './kserve/row.js';
import { libTorchRow } from './libtorch/row.js';
import type { LoadRequest } from './load-request.js';
import { onnxRuntimeRow } from './onnxruntime/row.js';
import type { BackendRow } from './row.js';
import { tensorRtRow } from './tensorrt/row.js';

/** The backends of this build, in the order in which 'auto' prefers them. Only these are offered. */
const ROWS: Readonly<Record<BackendName, BackendRow>> = {
  tensorrt: tensorRtRow,
  onnxruntime: onnxRuntimeRow,
  libtorch: libTorchRow,
  kserve: kserveRow,
};
/** A model is either run on this machine or by a server: by these rows or by that one. */
const rowsFor = ({ address }: LoadRequest) =>
  address === undefined ? Object.values(ROWS).filter((row) => row !== kserveRow) : [kserveRow];

/** A loaded backend and why it was chosen. */
export interface Selection {
  readonly backend: Backend;
  readonly why: string;
}

/**
 * @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE, ERR_TFT_UNSUPPORTED, ERR_TFT_MODEL_INVALID, and what
 *   loading and building a TensorRT engine throws where it was asked for.
 */
export async function selectBackend(request: LoadRequest): Promise<Selection> {
  const { backend } = request;
  const selection = await (backend === 'auto' ? best(request) : byName(backend, request));
  request.log({ level: 'info', message: `backend ${selection.backend.info.name}: ${selection.why}` });
  return selection;
}

async function byName(name: BackendName, request: LoadRequest): Promise<Selection> {
  const row = ROWS[name];
  if (!rowsFor(request).includes(row)) {
    throw new TFTError(
      'ERR_TFT_UNSUPPORTED',
      row === kserveRow
        ? `backend '${name}' needs the address of a server, such as kserve://host:8000/MODEL, and the option bundle`
        : `backend '${name}' runs models on this machine; for the address of a server leave backend out`,
    );
  }
  const reason = row.canRun(request);
  if (reason !== undefined) throw new TFTError('ERR_TFT_UNSUPPORTED', reason);
  return { backend: await row.load(request), why: 'asked for by name' };
}

async function best(request: LoadRequest): Promise<Selection> {
  const able = rowsFor(request).filter((row) => row.canRun(request) === undefined);
  const atHand = (await Promise.all(able.map((row) => row.atHand(request)))).flat();
  const reasons: string[] = [];
  let failure: unknown;
  for (const [index, { failure: problem, why, load }] of atHand.entries()) {
    try {
      const backend = await load();
      if (backend) return { backend, why: why(reasons) };
    } catch (error) {
      failure = error;
      // The caller must know of a mistake in the options, even if another backend could run.
      if (!(error instanceof TFTError) || error.code === 'ERR_TFT_OPTION') throw error;
      if (index === atHand.length - 1) break;
      const reason = `${problem}: ${error.message} (${error.code})`;
      reasons.push(reason);
      request.log({ level: 'warn', message: reason });
    }
  }
  throw failure ?? new TFTError('ERR_TFT_UNSUPPORTED', noneOf(request));
}

/** The reasons of the backends that cannot run the model. */
function noneOf(request: LoadRequest): string {
  return rowsFor(request)
    .flatMap((row) => row.canRun(request) ?? [])
    .join('; ');
}

// KServe's row in the table of backends: sends requests to a model on servers.

import type { Backend } from '../../batching/backend.js';
import { TFTError } from '../../contract/errors.js';
import type { RemoteAddress } from '../../contract/locate.js';
import type { LoadRequest } from '../load-request.js';
import type { BackendRow } from '../row.js';

export const kserveRow: BackendRow = {
  canRun({ address }) {
    return address === undefined ? 'the model is not on a server' : undefined;
  },

  load: connect,

  async atHand(request) {
    return [
      {
        failure: 'the server cannot run the model',
        why: () => 'the address names a server',
        load: () => connect(request),
      },
    ];
  },
};

async function connect(request: LoadRequest): Promise<Backend> {
  const { address, contract, precision, remote, maxBatch, queueLimit, log } = request;
  if (precision !== undefined) {
    throw new TFTError(
      'ERR_TFT_UNSUPPORTED',
      `the server chooses the precision, and does not report it; leave precision out, which is '${precision}'`,
    );
  }
  // The HTTP client is only loaded where it is used.
  const { KserveBackend } = await import('./backend.js');
  return KserveBackend.load(address as RemoteAddress, contract, { ...remote, maxBatch, queueLimit, log });
}

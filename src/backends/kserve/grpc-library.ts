// Finds gRPC's package, an optional one, which is loaded only where an address asks for gRPC.
import type * as Grpc from '@grpc/grpc-js';
import { TFTError } from '../../contract/errors.js';
import { ownRequire } from '../../contract/own-package.js';

/** @throws TFTError ERR_TFT_BACKEND_UNAVAILABLE if it is not installed. */
export function loadGrpc(): typeof Grpc {
  const require = ownRequire();
  try {
    return require('@grpc/grpc-js') as typeof Grpc;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw cause;
    throw new TFTError(
      'ERR_TFT_BACKEND_UNAVAILABLE',
      "gRPC is not installed: run 'npm install @grpc/grpc-js', or take the server's HTTP address, kserve://",
      { cause },
    );
  }
}

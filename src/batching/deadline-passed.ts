import { TFTError } from '../contract/errors.js';

/** The error of a request that had not begun to run in time. */
export function deadlinePassed(deadlineMs: number): TFTError {
  return new TFTError('ERR_TFT_DEADLINE', `the request had not begun to run within ${deadlineMs} ms`, {
    details: { deadlineMs },
  });
}

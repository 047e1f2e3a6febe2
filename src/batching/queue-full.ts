import { TFTError } from '../contract/errors.js';

/** The error of a request that does not fit into the queue. */
export function queueFull(waiting: number, series: number, limit: number): TFTError {
  return new TFTError(
    'ERR_TFT_QUEUE_FULL',
    `${waiting} series are waiting and ${series} more would exceed the limit of ` +
      `${limit}; try again later or raise queueLimit`,
    { details: { waiting, servers: series, limit } },
  );
}

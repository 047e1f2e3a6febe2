// Parts of descriptions that several routes share.
import { z } from 'zod';
import type { Operation } from './operation.js';

/** The error statuses of forecasts, in addition to those of any request. */
export const FORECAST_ERRORS: readonly number[] = [400, 408, 413, 415, 500, 503, 504];

export const REQUEST_HEADERS: NonNullable<Operation['headers']> = {
  'X-Request-Timeout-Ms': {
    description: 'milliseconds within which the forecast must have begun to run, else 504',
    schema: z.string().regex(/^[0-9]{1,9}$/),
  },
};

// The one error class of this package, its stable codes, and how a failed zod check becomes one.
import type { z } from 'zod';

/**
 * What went wrong, as a stable string. The message may change between releases; a code never changes its
 * meaning.
 */
export type TFTErrorCode =
  /** An input is missing, or is not the typed array that the contract asks for. */
  | 'ERR_TFT_INPUT_TYPE'
  /** An input's length is no multiple of one server's, or its memory is detached. */
  | 'ERR_TFT_INPUT_LENGTH'
  /** The inputs hold different numbers of servers. */
  | 'ERR_TFT_INPUT_BATCH'
  /** The batch, or the list of requests, is empty. */
  | 'ERR_TFT_INPUT_EMPTY'
  /** A value is NaN or infinite. */
  | 'ERR_TFT_INPUT_VALUE'
  /** A category code is outside the model's vocabulary. */
  | 'ERR_TFT_INPUT_CATEGORY'
  /** `out` is not a Float32Array of exactly the result's length. */
  | 'ERR_TFT_OUTPUT_BUFFER'
  /** An option is unknown or has a value that cannot be used. */
  | 'ERR_TFT_OPTION'
  /** The bundle, or a file that it names, does not exist. */
  | 'ERR_TFT_MODEL_NOT_FOUND'
  /** model.json or the model itself is damaged or contradicts itself. */
  | 'ERR_TFT_MODEL_INVALID'
  /** A file of the bundle is not the one that model.json describes. */
  | 'ERR_TFT_MODEL_HASH'
  /** The CUDA driver (libcuda) does not load, or is too old. */
  | 'ERR_TFT_NO_CUDA_DRIVER'
  /** The CUDA driver is there, but no GPU that can be used. */
  | 'ERR_TFT_NO_CUDA_DEVICE'
  /** No TensorRT library was found. */
  | 'ERR_TFT_TENSORRT_NOT_FOUND'
  /** TensorRT was found in a version that cannot be used. */
  | 'ERR_TFT_TENSORRT_VERSION'
  /** TensorRT does not take the plan: it is damaged, or was built by another version or for another GPU. */
  | 'ERR_TFT_PLAN_INVALID'
  /** The plan's inputs or outputs are not those of model.json. */
  | 'ERR_TFT_PLAN_MISMATCH'
  /** TensorRT's parser or builder refused the model or failed; the message has its own words. */
  | 'ERR_TFT_BUILD'
  /** An engine was built for another version, GPU or model, and is not rebuilt; the message names both sides. */
  | 'ERR_TFT_ENGINE_STALE'
  /** The engine cache cannot be read or written: a full disk, a missing permission. */
  | 'ERR_TFT_CACHE'
  /** There is not enough memory on the GPU, or not enough that can be pinned on the host. */
  | 'ERR_TFT_OUT_OF_MEMORY'
  /** The GPU fails every call from now on; the process must be restarted to use it again. */
  | 'ERR_TFT_DEVICE_LOST'
  /** The backend asked for cannot run here: a library is missing or not in this build. */
  | 'ERR_TFT_BACKEND_UNAVAILABLE'
  /** The backend in use does not offer this operation or setting. */
  | 'ERR_TFT_UNSUPPORTED'
  /** The engine is closed. */
  | 'ERR_TFT_CLOSED'
  /** Too many servers are waiting already; see the option `queueLimit`. */
  | 'ERR_TFT_QUEUE_FULL'
  /** The request had not begun to run within its `deadlineMs`. */
  | 'ERR_TFT_DEADLINE'
  /** The request's AbortSignal fired; the error's name is 'AbortError', its cause the signal's reason. */
  | 'ERR_TFT_ABORTED'
  /** The thread that ran the model died; the engine starts another, the request may be sent again. */
  | 'ERR_TFT_BACKEND_LOST'
  /** The runtime refused or failed to run the model. */
  | 'ERR_TFT_RUN'
  /** A column of a history file is missing, unknown or named twice. */
  | 'ERR_TFT_HISTORY_COLUMN'
  /** A value of a history is no number, time or name, or a line has too many or too few of them. */
  | 'ERR_TFT_HISTORY_VALUE'
  /** A window was asked for whose rows newer ones have displaced; see `until` of FleetHistory. */
  | 'ERR_TFT_HISTORY_ORDER'
  /** A server's history, since its last gap that is too long to fill, is shorter than the model's encoder. */
  | 'ERR_TFT_HISTORY_SHORT'
  /** A history holds no rows. */
  | 'ERR_TFT_HISTORY_EMPTY'
  /** A column map is damaged or contradicts itself. */
  | 'ERR_TFT_MAP_INVALID'
  /** A file cannot be read or written. */
  | 'ERR_TFT_FILE';

/** What a {@link TFTError} may carry besides its code and message. */
export interface TFTErrorOptions {
  /** The error underneath. */
  cause?: unknown;
  /** The message's facts as data: tensor, index, found, expected and the like. */
  details?: Record<string, unknown>;
}

/** Every error that this package throws on purpose. Branch on `code`, show `message` to people. */
export class TFTError extends Error {
  readonly code: TFTErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: TFTErrorCode, message: string, options: TFTErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = code === 'ERR_TFT_ABORTED' ? 'AbortError' : 'TFTError';
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** The issues of a failed zod check in one line, each with the path of the value it is about. */
export function describeIssues(error: z.core.$ZodError, shown = 5): string {
  const lines = error.issues
    .slice(0, shown)
    .map((issue) => (issue.path.length > 0 ? `${issue.path.join('.')}: ${issue.message}` : issue.message));
  const hidden = error.issues.length - lines.length;
  return lines.join('; ') + (hidden > 0 ? `; and ${hidden} more` : '');
}

// The table of error codes: the meaning of each, and its HTTP status. The types, the service's statuses, its OpenAPI
// document and docs/errors.md are derived from it. It includes the codes of the C++ core (cpp, `ErrorCode`).

/** One code. */
export interface ErrorCodeFacts {
  readonly meaning: string;
  /** The HTTP status; 500 by default, in which case the response only says that the service has a fault. */
  readonly status?: number;
  /** Other statuses that responses with this code may have. */
  readonly also?: readonly number[];
}

/** The status that nginx logs for a client that closed its connection; no client sees it. */
export const CLIENT_GONE = 499;

/** The codes of {@link TFTError}. */
export const TFT_ERRORS = {
  ERR_TFT_INPUT_TYPE: {
    status: 400,
    meaning: 'An input is missing, or is not a typed array of the right type.',
  },
  ERR_TFT_INPUT_LENGTH: {
    status: 400,
    meaning: "An input's length is not a multiple of one series' length, or its memory is detached.",
  },
  ERR_TFT_INPUT_BATCH: { status: 400, meaning: 'The inputs hold different numbers of series.' },
  ERR_TFT_INPUT_EMPTY: { status: 400, meaning: 'The batch, or the list of requests, is empty.' },
  ERR_TFT_INPUT_VALUE: { status: 400, meaning: 'A value is NaN or infinite.' },
  ERR_TFT_INPUT_CATEGORY: { status: 400, meaning: "A category code is outside the model's vocabulary." },
  ERR_TFT_OUTPUT_BUFFER: { meaning: "`out` is not a Float32Array of exactly the result's length." },
  ERR_TFT_OPTION: { meaning: 'An option is unknown or has a value that cannot be used.' },
  ERR_TFT_MODEL_NOT_FOUND: { meaning: 'The bundle, or a file that it names, does not exist.' },
  ERR_TFT_MODEL_INVALID: { meaning: 'model.json or the model itself is damaged or contradicts itself.' },
  ERR_TFT_MODEL_HASH: { meaning: 'A file of the bundle is not the one that model.json describes.' },
  ERR_TFT_NO_CUDA_DRIVER: { meaning: 'The CUDA driver (libcuda) does not load, or is too old.' },
  ERR_TFT_NO_CUDA_DEVICE: { meaning: 'The CUDA driver loads, but there is no usable GPU.' },
  ERR_TFT_TENSORRT_NOT_FOUND: { meaning: 'No TensorRT library was found.' },
  ERR_TFT_TENSORRT_VERSION: { meaning: 'TensorRT was found in a version that cannot be used.' },
  ERR_TFT_PLAN_INVALID: {
    meaning: 'TensorRT rejects the plan: it is damaged, or was built by another version or for another GPU.',
  },
  ERR_TFT_PLAN_WRONG: {
    meaning:
      "The plan loads and forecasts wrongly: the bundle's sample windows differ from PyTorch's forecasts; the message names profile, batch and difference.",
  },
  ERR_TFT_PLAN_MISMATCH: { meaning: "The plan's inputs or outputs are not those of model.json." },
  ERR_TFT_PLUGIN: {
    meaning: 'A plugin library does not load, or a plan needs a plugin that no loaded library has.',
  },
  ERR_TFT_BUILD: {
    meaning: "TensorRT's parser or builder refused the model or failed; the message quotes it.",
  },
  ERR_TFT_ENGINE_STALE: {
    meaning:
      'An engine was built for another version, GPU or model, and is not rebuilt; the message names both sides.',
  },
  ERR_TFT_CACHE: {
    meaning: 'The engine cache cannot be read or written: a full disk, a missing permission.',
  },
  ERR_TFT_OUT_OF_MEMORY: {
    status: 503,
    meaning: 'There is not enough memory on the GPU, or not enough that can be pinned on the host.',
  },
  ERR_TFT_DEVICE_LOST: {
    status: 503,
    meaning: 'The GPU fails every call from now on; the process must be restarted to use it again.',
  },
  ERR_TFT_BUNDLED: {
    meaning:
      'The package was bundled into a file of an application, away from its own; it must be kept external.',
  },
  ERR_TFT_BACKEND_UNAVAILABLE: {
    meaning: 'The backend asked for cannot run here: a library is missing or not in this build.',
  },
  ERR_TFT_UNSUPPORTED: { meaning: 'The backend in use does not offer this operation or setting.' },
  ERR_TFT_CLOSED: { status: 503, meaning: 'The engine is closed.' },
  ERR_TFT_QUEUE_FULL: {
    status: 503,
    meaning: 'Too many series are waiting already; see the option `queueLimit`.',
  },
  ERR_TFT_DEADLINE: {
    status: 504,
    meaning:
      'The request had not begun to run within its `deadlineMs`; on a remote server, it was not answered within it.',
  },
  ERR_TFT_ABORTED: {
    status: CLIENT_GONE,
    meaning:
      "The request's AbortSignal fired; the error's name is 'AbortError', its cause the signal's reason.",
  },
  ERR_TFT_BACKEND_LOST: {
    status: 503,
    meaning:
      'The thread that ran the model died; the engine starts another, and the request may be sent again.',
  },
  ERR_TFT_RUN: { status: 500, meaning: 'The runtime refused or failed to run the model.' },
  ERR_TFT_REMOTE_UNAVAILABLE: {
    status: 503,
    meaning:
      'No endpoint of the remote model, or of a receiver of forecasts, answers in time: connections fail, or the servers are not ready or overloaded.',
  },
  ERR_TFT_REMOTE_REFUSED: {
    meaning:
      'The remote server refuses the request, for example its API key or model; the message quotes it.',
  },
  ERR_TFT_REMOTE_MISMATCH: {
    meaning: "The remote model's tensors are not those of the bundle; the message names the tensor.",
  },
  ERR_TFT_REMOTE_ANSWER: {
    meaning: "The remote server's response does not follow the protocol or does not have the expected shape.",
  },
  ERR_TFT_HISTORY_COLUMN: {
    status: 400,
    meaning: 'A column of a history file is missing, unknown or named twice.',
  },
  ERR_TFT_HISTORY_VALUE: {
    status: 400,
    meaning: 'A value of a history is not a number, time or name, or a line has too many or too few values.',
  },
  ERR_TFT_HISTORY_ORDER: {
    status: 400,
    meaning:
      'The rows of the requested window have been replaced by newer ones; see `until` of FleetHistory.',
  },
  ERR_TFT_HISTORY_SHORT: {
    status: 400,
    meaning:
      "A server's history, since its last gap that is too long to fill, is shorter than the model's encoder.",
  },
  ERR_TFT_HISTORY_LIMIT: {
    status: 413,
    meaning: 'A history has rows of more servers than `maxServers` allows.',
  },
  ERR_TFT_HISTORY_EMPTY: { status: 400, meaning: 'A history contains no rows.' },
  ERR_TFT_MAP_INVALID: { meaning: 'A column map is damaged or contradicts itself.' },
  ERR_TFT_RULES_INVALID: {
    meaning:
      'A file of alert rules is damaged, contradicts itself, or asks for what the model does not forecast.',
  },
  ERR_TFT_FILE: { meaning: 'A file cannot be read or written.' },
} as const satisfies Readonly<Record<string, ErrorCodeFacts>>;

/** The codes of HTTP errors, which are not about the model. */
export const HTTP_ERRORS = {
  ERR_TFT_HTTP_BODY: {
    status: 400,
    also: [415],
    meaning:
      'The body cannot be read: its type, its JSON, its lengths, its shapes or the options with it are wrong.',
  },
  ERR_TFT_HTTP_HEADER: {
    status: 400,
    also: [431],
    meaning: 'A header has an invalid value, or the headers are larger than 16 KiB or more than 100.',
  },
  ERR_TFT_HTTP_ENCODING: {
    status: 400,
    also: [415],
    meaning:
      'The body does not match Content-Encoding, or the encoding is none of gzip, deflate, br, identity.',
  },
  ERR_TFT_HTTP_UNSUPPORTED: {
    status: 400,
    meaning: 'The service does not offer this part of the protocol, such as shared memory.',
  },
  ERR_TFT_HTTP_GONE: {
    status: 400,
    meaning: 'The client disconnected before its request was complete. Only the log shows this code.',
  },
  ERR_TFT_HTTP_KEY: { status: 401, meaning: 'The API key is missing or wrong.' },
  ERR_TFT_HTTP_FORBIDDEN: { status: 403, meaning: 'The API key does not permit this.' },
  ERR_TFT_HTTP_HOST: {
    status: 403,
    meaning:
      'Host or Origin is not a name of this machine, and the service has no API keys that would prove a request legitimate.',
  },
  ERR_TFT_HTTP_NOT_FOUND: { status: 404, meaning: 'There is no such path.' },
  ERR_TFT_HTTP_MODEL: {
    status: 404,
    meaning: 'The requested model or version is not the one that is served.',
  },
  ERR_TFT_HTTP_METHOD: {
    status: 405,
    meaning: 'The path does not support this method; the header Allow lists the supported ones.',
  },
  ERR_TFT_HTTP_TIMEOUT: { status: 408, meaning: 'The headers or the body did not arrive in time.' },
  ERR_TFT_HTTP_TOO_LARGE: {
    status: 413,
    meaning: 'The body, compressed or unpacked, or the batch is larger than its limit.',
  },
  ERR_TFT_HTTP_OVERLOADED: {
    status: 503,
    meaning: 'Too many requests are waiting or running; the header Retry-After says when to try again.',
  },
  ERR_TFT_HTTP_NOT_READY: { status: 503, meaning: 'No model is loaded yet, or the service is stopping.' },
  ERR_TFT_HTTP_INTERNAL: { status: 500, meaning: 'A fault of the service; its log says more.' },
} as const satisfies Readonly<Record<string, ErrorCodeFacts>>;

/**
 * What went wrong, as a stable string; docs/errors.md says what each means. The message may change between releases; a
 * code never changes its meaning.
 */
export type TFTErrorCode = keyof typeof TFT_ERRORS;

/** A code of `HTTP_ERRORS`. */
export type HttpErrorCode = keyof typeof HTTP_ERRORS;

/** All codes. */
export const ERRORS: Readonly<Record<TFTErrorCode | HttpErrorCode, ErrorCodeFacts>> = {
  ...TFT_ERRORS,
  ...HTTP_ERRORS,
};

// Every setting of the service with its type, limits, default and meaning. Flags, environment variables, the help, the
// documentation's table and the checks are derived from here.
import { z } from 'zod';
import { LOCAL_BACKEND_CHOICES, PRECISIONS } from '../../contract/names.js';

const milliseconds = z.int().nonnegative().max(86_400_000);
const count = z.int().positive();
const path = z.string().min(1);
const keys = z
  .array(z.string().regex(/^[\x21-\x7e]{16,256}$/, 'a key has 16 to 256 characters, without spaces'))
  .default([]);

const names = z.array(z.string().min(1)).default([]);

/** The settings that must never be printed. */
export const SECRET = ['apiKeys', 'adminKeys'] as const;

export const configSchema = z.strictObject({
  model: path.describe('what to serve: a bundle, a plan, or a folder of versions named 1, 2, 3 …'),
  name: z
    .string()
    .regex(/^[\w.-]{1,128}$/, 'letters, digits, dots, dashes and underlines')
    .optional()
    .describe("the model's name in URLs and metrics; by default the one in model.json"),
  backend: z.enum(LOCAL_BACKEND_CHOICES).default('auto').describe('what runs the model'),
  precision: z.enum(PRECISIONS).optional().describe('the arithmetic to run in'),
  explain: z
    .boolean()
    .default(false)
    .describe('forecasts also say what they rest on, by the graph of the bundle that explains'),
  maxBatch: count.optional().describe('the largest number of series in one run'),
  threads: count.optional().describe('computing threads on a CPU, each with its own copy of the model'),
  nice: z
    .int()
    .min(0)
    .max(19)
    .default(10)
    .describe(
      'by how much the priority of the threads that compute on a CPU is lower than of the one that answers',
    ),
  onnxruntime: z
    .record(z.string(), z.unknown())
    .optional()
    .describe("ONNX Runtime's options as TFTEngine.load takes them, as JSON"),
  tensorrt: z
    .record(z.string(), z.unknown())
    .optional()
    .describe("TensorRT's options as TFTEngine.load takes them, as JSON"),
  libtorch: z
    .record(z.string(), z.unknown())
    .optional()
    .describe("LibTorch's options as TFTEngine.load takes them, as JSON"),
  cache: path.optional().describe('the folder of built engines'),
  build: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('how engines are built, as TFTEngine.load takes it, as JSON'),
  check: z
    .boolean()
    .default(true)
    .describe("run a TensorRT engine on the bundle's sample windows first, and refuse one that is wrong"),
  calibrationFolder: path
    .optional()
    .describe(
      'a folder for a sample of the requests, written when the service stops, to calibrate INT8 with',
    ),
  calibrationWindows: count.max(65_536).default(512).describe('the number of windows in that sample'),

  host: z.string().min(1).default('127.0.0.1').describe('the address to listen on'),
  port: z.int().min(0).max(65_535).default(8000).describe('the port; 0 takes any free one'),
  socket: path.optional().describe('listen on this Unix socket instead'),
  socketMode: z
    .string()
    .regex(/^0?[0-7]{3}$/, 'three octal digits, as chmod takes them')
    .default('660')
    .describe('who may use the Unix socket, as chmod says it'),
  forcePublic: z.boolean().default(false).describe('listen beyond this machine even without API keys'),
  allowedHosts: names.describe(
    'names under which browsers may reach a service of this machine without keys, besides localhost; * for any',
  ),
  corsOrigins: names.describe(
    'origins whose pages may ask and read answers, as https://app.example; * for any',
  ),
  tlsCert: path.optional().describe('certificate chain, PEM'),
  tlsKey: path.optional().describe('private key, PEM'),
  http2: z.boolean().default(false).describe('speak HTTP/2 too; needs TLS'),

  apiKeys: keys.describe('keys; each request must have one of them'),
  apiKeysFile: path.optional().describe('a file with one key a line'),
  adminKeys: keys.describe('keys that may also reload the model'),
  adminKeysFile: path.optional().describe('a file with one key a line'),
  openMetrics: z.boolean().default(false).describe('/metrics needs no key'),

  queueLimit: count.default(4096).describe('the largest number of series that may wait'),
  maxWaitMs: milliseconds
    .min(1)
    .default(5000)
    .describe('the longest that a request waits to run; one that would wait longer is refused at once'),
  maxServers: count.default(256).describe('the largest number of series in one request'),
  maxBodyBytes: count.optional().describe('the largest body; by default what maxServers needs as JSON'),
  maxBytesInFlight: count
    .default(256 * 2 ** 20)
    .describe('the largest number of bytes of bodies and answers in progress'),
  maxConnections: count.default(4096).describe('the largest number of connections'),
  headersTimeoutMs: milliseconds.min(1).default(10_000).describe('the time for the headers to arrive'),
  requestTimeoutMs: milliseconds.min(1).default(30_000).describe('the time for a request to arrive'),
  keepAliveTimeoutMs: milliseconds.min(1).default(65_000).describe('how long an idle connection is kept'),
  compress: z.boolean().default(true).describe('compress answers for clients that ask for it'),

  drainDelayMs: milliseconds
    .default(0)
    .describe('the time between the stop signal and refusing new connections, for load balancers to notice'),
  stopTimeoutMs: milliseconds
    .default(30_000)
    .describe('the time to finish the current requests when the service stops'),
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('the lowest level that is logged'),
  accessLog: z.boolean().default(false).describe('log each request, not only those refused'),
});

/** The settings with their defaults. */
export type ServiceConfig = Readonly<z.infer<typeof configSchema>>;
export type ConfigKey = keyof typeof configSchema.shape;

/** A setting as shown in help and documentation. */
export interface Setting {
  readonly key: string;
  /** TFT_SERVE_MAX_SERVERS */
  readonly variable: string;
  /** --max-servers; undefined for keys, which a list of processes would show. */
  readonly flag: string | undefined;
  readonly kind: 'boolean' | 'number' | 'text' | 'list' | 'json';
  /** Whether a list is one of numbers. */
  readonly ofNumbers: boolean;
  readonly choices: readonly string[] | undefined;
  readonly meaning: string;
  readonly fallback: unknown;
}

interface JsonSchema {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly items?: { readonly type?: string };
  readonly description?: string;
  readonly default?: unknown;
}

const KINDS: Record<string, Setting['kind']> = {
  boolean: 'boolean',
  integer: 'number',
  number: 'number',
  array: 'list',
  object: 'json',
};

/**
 * The settings of a schema, in its order.
 *
 * @param prefix of their variables: TFT_SERVE_.
 */
export function describeSettings(shape: Readonly<Record<string, z.ZodType>>, prefix: string): Setting[] {
  return Object.entries(shape).map(([key, schema]) => {
    const described = z.toJSONSchema(schema, { io: 'input' }) as JsonSchema;
    const words = key.replace(/[A-Z](?![0-9])/g, (letter) => `-${letter.toLowerCase()}`);
    return {
      key,
      variable: `${prefix}${words.replaceAll('-', '_').toUpperCase()}`,
      flag: (SECRET as readonly string[]).includes(key) ? undefined : `--${words}`,
      kind: KINDS[described.type ?? ''] ?? 'text',
      ofNumbers: KINDS[described.items?.type ?? ''] === 'number',
      choices: described.enum,
      meaning: described.description ?? '',
      fallback: described.default,
    };
  });
}

/** All settings of the service. */
export const settings: readonly Setting[] = describeSettings(configSchema.shape, 'TFT_SERVE_');

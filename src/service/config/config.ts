// Puts the service's settings together: flags over environment over file over defaults, each mistake named with the
// key and the place that it came from.
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { TFTError } from '../../contract/errors.js';
import { packedModel } from '../../contract/packed.js';
import { readTextFileSync } from '../../contract/text-file.js';
import { isLoopback } from './loopback.js';
import { configSchema, SECRET, type ServiceConfig, type Setting, settings } from './schema.js';

/** Where settings come from. */
export interface ConfigSources {
  /** The values of the command line, as text, by key. */
  readonly flags?: Readonly<Record<string, string | boolean | undefined>>;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** A JSON file of settings by key. Paths in it are relative to its folder. */
  readonly file?: string | undefined;
  readonly defaults?: Partial<ServiceConfig>;
}

/** The environment variable with the path of the file. */
const FILE_VARIABLE = 'TFT_SERVE_CONFIG';
const PREFIX = 'TFT_SERVE_';
const PATHS = [
  'model',
  'cache',
  'calibrationFolder',
  'socket',
  'tlsCert',
  'tlsKey',
  'apiKeysFile',
  'adminKeysFile',
];

/** @throws TFTError ERR_TFT_OPTION that names the key and its source; ERR_TFT_FILE for the file. */
export function readConfig(sources: ConfigSources): ServiceConfig {
  const { flags = {}, defaults = {} } = sources;
  const environment = Object.fromEntries(
    Object.entries(sources.environment ?? {}).filter(([name, value]) => !isServiceLink(name, value)),
  );
  const values: Record<string, unknown> = {};
  const origin: Record<string, string> = {};
  const set = (key: string, value: unknown, from: string) => {
    values[key] = value;
    origin[key] = from;
  };
  for (const [key, value] of Object.entries(defaults))
    if (value !== undefined) set(key, value, 'the default');
  const file = sources.file ?? environment[FILE_VARIABLE];
  if (file !== undefined) {
    for (const [key, value] of Object.entries(readFile(file))) {
      const isPath = PATHS.includes(key) && typeof value === 'string';
      set(key, isPath ? pathFrom(dirname(file), value, key) : value, file);
    }
  }
  refuseUnknownVariables(environment);
  for (const setting of settings) {
    const text = environment[setting.variable];
    if (text !== undefined && text !== '') set(setting.key, fromText(setting, text), setting.variable);
    const flag = flags[setting.key];
    if (flag !== undefined) {
      set(setting.key, typeof flag === 'string' ? fromText(setting, flag) : flag, `${setting.flag}`);
    }
  }
  const result = configSchema.safeParse(values);
  if (!result.success) {
    const lines = result.error.issues.map(({ path, message, code, ...issue }) => {
      const key = String(path[0] ?? (code === 'unrecognized_keys' && 'keys' in issue ? issue.keys : ''));
      const unknown = code === 'unrecognized_keys';
      const from = origin[key] ?? (unknown ? file : undefined);
      const found = SECRET.some((secret) => secret === key) || unknown ? '' : shown(values[key]);
      return `${key}${from === undefined ? '' : ` (from ${from})`}: ${unknown ? 'there is no such setting' : message}${found}`;
    });
    throw new TFTError('ERR_TFT_OPTION', lines.join('; '), { cause: result.error });
  }
  refuseContradictions(result.data, origin);
  return result.data;
}

/** The settings as JSON for showing. API keys are replaced by their number. */
export function printableConfig(config: ServiceConfig): string {
  const masked = Object.fromEntries(
    Object.entries(config).map(([key, value]) =>
      SECRET.some((secret) => secret === key) && Array.isArray(value)
        ? [key, value.map(() => '***')]
        : [key, value],
    ),
  );
  return JSON.stringify(masked, null, 2);
}

/** A path in a file is relative to it; a model may also be one that is packed. */
function pathFrom(folder: string, value: string, key: string): string {
  const path = resolve(folder, value);
  return (key === 'model' && !existsSync(path) ? packedModel(value) : undefined) ?? path;
}

function readFile(path: string): Record<string, unknown> {
  let content: unknown;
  try {
    content = JSON.parse(readTextFileSync(path));
  } catch (cause) {
    throw new TFTError(
      'ERR_TFT_FILE',
      `the settings in ${path} cannot be read: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new TFTError('ERR_TFT_OPTION', `${path}: an object of settings is expected`);
  }
  return content as Record<string, unknown>;
}

/** Parses a setting's text. Text that cannot be parsed is passed on, and the schema reports what is wrong with it. */
function fromText({ kind }: Setting, text: string): unknown {
  if (kind === 'number') return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  if (kind === 'list') return text.split(',').map((item) => item.trim());
  if (kind === 'boolean') {
    if (text === 'true' || text === '1') return true;
    return text === 'false' || text === '0' ? false : text;
  }
  if (kind === 'json') {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  return text;
}

/**
 * What Kubernetes puts into the environment for each Service of a pod's namespace, named after it: one called
 * `tft-serve` gives TFT_SERVE_SERVICE_HOST, TFT_SERVE_PORT=tcp://…, TFT_SERVE_PORT_8000_TCP_ADDR, and one called
 * `tft-serve-metrics` the like. Nobody wrote them as settings.
 */
const SERVICE_LINK =
  /^TFT_SERVE_(?:.*_)?(?:SERVICE_(?:HOST|PORT(?:_.+)?)|PORT_\d+_(?:TCP|UDP|SCTP)(?:_.+)?)$/;
const SERVICE_ADDRESS = /^(?:tcp|udp|sctp):\/\//;

function isServiceLink(name: string, value = ''): boolean {
  return SERVICE_LINK.test(name) || (/_PORT$/.test(name) && SERVICE_ADDRESS.test(value));
}

/** A setting misspelt must not be a setting ignored. */
function refuseUnknownVariables(environment: Readonly<Record<string, string | undefined>>): void {
  const known = new Set<string>([FILE_VARIABLE, ...settings.map(({ variable }) => variable)]);
  const unknown = Object.keys(environment).find((name) => name.startsWith(PREFIX) && !known.has(name));
  if (unknown !== undefined) {
    throw new TFTError('ERR_TFT_OPTION', `the environment's ${unknown} is no setting of 'tft serve'`);
  }
}

function refuseContradictions(config: ServiceConfig, origin: Readonly<Record<string, string>>): void {
  const refuse = (key: keyof ServiceConfig, message: string) => {
    throw new TFTError('ERR_TFT_OPTION', `${key} (from ${origin[key] ?? 'the default'}): ${message}`);
  };
  if ((config.tlsCert === undefined) !== (config.tlsKey === undefined)) {
    refuse(config.tlsCert ? 'tlsCert' : 'tlsKey', 'tlsCert and tlsKey go together');
  }
  if (config.http2 && config.tlsCert === undefined) refuse('http2', 'HTTP/2 needs tlsCert and tlsKey');
  const keyed = config.apiKeys.length > 0 || config.apiKeysFile !== undefined;
  if (config.socket === undefined && !keyed && !config.forcePublic && !isLoopback(config.host)) {
    refuse(
      'host',
      `'${config.host}' can be reached from other machines, and there are no API keys; set apiKeysFile, or ` +
        'forcePublic if something else keeps strangers out',
    );
  }
}

function shown(value: unknown): string {
  return value === undefined ? '' : `, found ${JSON.stringify(value)?.slice(0, 80)}`;
}

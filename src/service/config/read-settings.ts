// Puts settings together: flags over environment over file over defaults, each mistake named with the key and the place that
// it came from. The service's settings are read so, and those of what runs beside it.
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { TFTError } from '../../contract/errors.js';
import { packedModel } from '../../contract/packed.js';
import { readTextFileSync } from '../../contract/text-file.js';
import type { Setting } from './schema.js';

/** Where settings come from, and what is known of them. */
export interface SettingSources<T> {
  readonly schema: z.ZodType<T>;
  readonly settings: readonly Setting[];
  /** What all their variables begin with: TFT_SERVE_. */
  readonly prefix: string;
  /** What they are settings of, for messages: 'tft serve'. */
  readonly command: string;
  /** The values of the command line, as text, by key. */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The values of a file and its path. Paths among the values are relative to its folder. */
  readonly file?: { readonly path: string; readonly values: Readonly<Record<string, unknown>> } | undefined;
  readonly defaults?: Readonly<Record<string, unknown>>;
  /** Keys whose values are paths. */
  readonly paths: readonly string[];
  /** Keys whose values must not be shown. */
  readonly secret: readonly string[];
  /** Variables with the prefix that are no settings. */
  readonly otherVariables: readonly string[];
}

/** Settings, and where each came from. */
export interface ReadSettings<T> {
  readonly data: T;
  readonly origin: Readonly<Record<string, string>>;
}

/** @throws TFTError ERR_TFT_OPTION that names the key and its source. */
export function readSettings<T>(sources: SettingSources<T>): ReadSettings<T> {
  const { schema, settings, prefix, flags, file, defaults = {}, paths, secret } = sources;
  const environment = withoutServiceLinks(prefix, sources.environment);
  const values: Record<string, unknown> = {};
  const origin: Record<string, string> = {};
  const set = (key: string, value: unknown, from: string) => {
    values[key] = value;
    origin[key] = from;
  };
  for (const [key, value] of Object.entries(defaults))
    if (value !== undefined) set(key, value, 'the default');
  for (const [key, value] of Object.entries(file?.values ?? {})) {
    const isPath = paths.includes(key) && typeof value === 'string';
    set(key, isPath ? pathFrom(dirname(file?.path ?? ''), value, key) : value, file?.path ?? '');
  }
  refuseUnknownVariables(sources, environment);
  for (const setting of settings) {
    const text = environment[setting.variable];
    if (text !== undefined && text !== '') set(setting.key, fromText(setting, text), setting.variable);
    const flag = flags[setting.key];
    if (flag !== undefined) {
      set(setting.key, typeof flag === 'string' ? fromText(setting, flag) : flag, `${setting.flag}`);
    }
  }
  const result = schema.safeParse(values);
  if (result.success) return { data: result.data, origin };
  const lines = result.error.issues.map(({ path, message, code, ...issue }) => {
    const key = String(path[0] ?? (code === 'unrecognized_keys' && 'keys' in issue ? issue.keys : ''));
    const unknown = code === 'unrecognized_keys';
    const from = origin[key] ?? (unknown ? file?.path : undefined);
    const found = secret.includes(key) || unknown ? '' : shown(values[key]);
    return `${key}${from === undefined ? '' : ` (from ${from})`}: ${unknown ? 'there is no such setting' : message}${found}`;
  });
  throw new TFTError('ERR_TFT_OPTION', lines.join('; '), { cause: result.error });
}

/** A path in a file is relative to it; a model may also be one that is packed. */
function pathFrom(folder: string, value: string, key: string): string {
  const path = resolve(folder, value);
  return (key === 'model' && !existsSync(path) ? packedModel(value) : undefined) ?? path;
}

/** The values of a JSON file. @throws TFTError ERR_TFT_FILE, ERR_TFT_OPTION. */
export function readSettingsFile(path: string): Record<string, unknown> {
  let content: unknown;
  try {
    content = JSON.parse(readTextFileSync(path));
  } catch (cause) {
    throw new TFTError(
      'ERR_TFT_FILE',
      `the settings in ${path} cannot be read: ${(cause as Error).message}`,
      { cause },
    );
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new TFTError('ERR_TFT_OPTION', `${path}: an object of settings is expected`);
  }
  return content as Record<string, unknown>;
}

/** Parses a setting's text. Text that cannot be parsed is passed on, and the schema reports what is wrong with it. */
function fromText({ kind, ofNumbers }: Setting, text: string): unknown {
  const number = (part: string) => (/^-?\d+(\.\d+)?$/.test(part) ? Number(part) : part);
  if (kind === 'number') return number(text);
  if (kind === 'list') {
    const parts = text.split(',').map((item) => item.trim());
    return ofNumbers ? parts.map(number) : parts;
  }
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

const SERVICE_ADDRESS = /^(?:tcp|udp|sctp):\/\//;

/**
 * Leaves out what Kubernetes puts into the environment for each Service of a pod's namespace, named after it: one called
 * `tft-serve` gives TFT_SERVE_SERVICE_HOST, TFT_SERVE_PORT=tcp://…, TFT_SERVE_PORT_8000_TCP_ADDR, and one called
 * `tft-serve-metrics` the like. They were not meant as settings.
 */
export function withoutServiceLinks(
  prefix: string,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  const link = new RegExp(
    `^${prefix}(?:.*_)?(?:SERVICE_(?:HOST|PORT(?:_.+)?)|PORT_\\d+_(?:TCP|UDP|SCTP)(?:_.+)?)$`,
  );
  return Object.fromEntries(
    Object.entries(environment).filter(
      ([name, value = '']) => !link.test(name) && !(/_PORT$/.test(name) && SERVICE_ADDRESS.test(value)),
    ),
  );
}

/** A setting misspelt must not be a setting ignored. */
function refuseUnknownVariables<T>(
  { settings, prefix, command, otherVariables }: SettingSources<T>,
  environment: Readonly<Record<string, string | undefined>>,
): void {
  const known = new Set<string>([...otherVariables, ...settings.map(({ variable }) => variable)]);
  const unknown = Object.keys(environment).find((name) => name.startsWith(prefix) && !known.has(name));
  if (unknown !== undefined) {
    throw new TFTError('ERR_TFT_OPTION', `the environment's ${unknown} is no setting of '${command}'`);
  }
}

function shown(value: unknown): string {
  return value === undefined ? '' : `, found ${JSON.stringify(value)?.slice(0, 80)}`;
}

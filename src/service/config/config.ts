// Puts the service's settings together, and refuses those that contradict each other.
import { TFTError } from '../../contract/errors.js';
import { isLoopback } from './loopback.js';
import { readSettings, readSettingsFile, withoutServiceLinks } from './read-settings.js';
import { configSchema, SECRET, type ServiceConfig, settings } from './schema.js';

/** The sources of settings. */
export interface ConfigSources {
  /** The values of the command line, as text, by key. */
  readonly flags?: Readonly<Record<string, string | boolean | undefined>>;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** A JSON file of settings by key. Paths in it are relative to its folder. */
  readonly file?: string | undefined;
  /** Keys of the file that are other programs' settings. */
  readonly foreign?: readonly string[];
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
  const { flags = {}, defaults = {}, environment = {}, foreign = [] } = sources;
  const path = settingsFileOf(sources);
  const values = path === undefined ? {} : readSettingsFile(path);
  const own = Object.fromEntries(Object.entries(values).filter(([key]) => !foreign.includes(key)));
  const { data, origin } = readSettings({
    schema: configSchema,
    settings,
    prefix: PREFIX,
    command: 'tft serve',
    flags,
    environment,
    file: path === undefined ? undefined : { path, values: own },
    defaults,
    paths: PATHS,
    secret: SECRET,
    otherVariables: [FILE_VARIABLE],
  });
  refuseContradictions(data, origin);
  return data;
}

/** The path of the file of settings: as given, else from the environment. */
export function settingsFileOf({ file, environment = {} }: ConfigSources): string | undefined {
  return file ?? withoutServiceLinks(PREFIX, environment)[FILE_VARIABLE];
}

/** The settings as JSON to print. API keys are replaced by their number. */
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

function refuseContradictions(config: ServiceConfig, origin: Readonly<Record<string, string>>): void {
  const refuse = (key: keyof ServiceConfig, message: string) => {
    throw new TFTError('ERR_TFT_OPTION', `${key} (from ${origin[key] ?? 'the default'}): ${message}`);
  };
  if ((config.tlsCert === undefined) !== (config.tlsKey === undefined)) {
    refuse(config.tlsCert ? 'tlsCert' : 'tlsKey', 'tlsCert and tlsKey must be set together');
  }
  if (config.http2 && config.tlsCert === undefined) refuse('http2', 'HTTP/2 needs tlsCert and tlsKey');
  const keyed = config.apiKeys.length > 0 || config.apiKeysFile !== undefined;
  if (config.socket === undefined && !keyed && !config.forcePublic && !isLoopback(config.host)) {
    refuse(
      'host',
      `'${config.host}' can be reached from other machines, and there are no API keys; set apiKeysFile, or ` +
        'forcePublic if something else controls access',
    );
  }
}

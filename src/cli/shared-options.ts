// Options that several commands share, and the default bundle.
import { fileURLToPath } from 'node:url';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { LOCAL_BACKENDS, type LoadOptions, PRECISIONS, type Precision } from '../index.js';

/** The bundle that ships with this package. */
export const DEMO_BUNDLE = fileURLToPath(new URL('../../models/demo', import.meta.url));

export interface EngineOptions {
  model: string;
  backend: NonNullable<LoadOptions['backend']>;
  threads?: number;
  precision?: Precision;
  /** Whether forecasts say what they rest on. */
  explain?: boolean;
  /** Whether a TensorRT engine must forecast the bundle's sample windows as PyTorch did. */
  check?: boolean;
}

export function modelOption(): Option {
  return new Option('-m, --model <bundle>', 'model bundle, a folder').default(DEMO_BUNDLE, 'the demo model');
}

export function backendOption(): Option {
  return new Option('--backend <name>', 'what runs the model')
    .choices(['auto', ...LOCAL_BACKENDS])
    .default('auto');
}

export function threadsOption(): Option {
  return new Option('--threads <n>', 'computing threads, each with its own copy of the model').argParser(
    wholeNumber,
  );
}

export function precisionOption(): Option {
  return new Option('--precision <name>', 'the precision to compute in').choices(PRECISIONS);
}

/** The options of {@link EngineOptions}. */
export function addEngineOptions(command: Command): Command {
  return command
    .addOption(modelOption())
    .addOption(backendOption())
    .addOption(precisionOption())
    .addOption(new Option('--no-check', 'run a TensorRT engine even if it forecasts wrongly'))
    .addOption(threadsOption());
}

export function serversOption(): Option {
  return new Option('--servers <names>', 'only these, separated by commas').argParser(listArgument);
}

/** For `Option.argParser`: 1, 2, 3 … */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1)
    throw new InvalidArgumentError('It must be a whole number from 1 on.');
  return value;
}

/** For `Option.argParser`: 0, 0.5, 60 … @param what is expected, as "a number of minutes". */
export function fromZero(what = 'a number'): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= 0 && Number.isFinite(value))) {
      throw new InvalidArgumentError(`It must be ${what} from 0 on.`);
    }
    return value;
  };
}

function listArgument(text: string, before: string[] = []): string[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.length === 0) throw new InvalidArgumentError('It must name at least one server.');
  return [...before, ...names];
}

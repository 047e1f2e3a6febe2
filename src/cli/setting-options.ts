// Options of the command line for settings that are also variables of the environment and keys of a file.
import { type Command, Option } from 'commander';
import type { Setting } from '../service/index.js';

export type Flags = Record<string, string | boolean | undefined>;

/** Adds an option for each setting that may be one. */
export function addSettings(command: Command, settings: readonly Setting[]): void {
  for (const setting of settings) {
    const option = optionOf(setting);
    if (option) command.addOption(option);
  }
}

/** What was really given: a default of commander must not override the environment. */
export function givenFlags(command: Command, options: Flags): Flags {
  return Object.fromEntries(
    Object.entries(options).filter(([key]) => command.getOptionValueSource(key) === 'cli'),
  );
}

function optionOf({ key, flag, kind, choices, meaning, fallback }: Setting): Option | undefined {
  if (flag === undefined) return undefined;
  const shown = isEmpty(fallback) || kind === 'boolean' ? '' : ` (default: ${textOf(fallback)})`;
  const short = key === 'model' ? '-m, ' : '';
  if (kind === 'boolean') {
    // A setting that is on by default only needs a flag that turns it off.
    return new Option(
      fallback === true ? `--no-${flag.slice(2)}` : flag,
      fallback === true ? `do not ${meaning}` : meaning,
    ).default(undefined);
  }
  const option = new Option(`${short}${flag} <${kind === 'number' ? 'n' : 'value'}>`, `${meaning}${shown}`);
  return choices === undefined ? option : option.choices(choices);
}

function isEmpty(value: unknown): boolean {
  return value === undefined || (typeof value === 'object' && Object.keys(value as object).length === 0);
}

/** As it would be given on the command line. */
function textOf(value: unknown): string {
  return typeof value === 'object' && !Array.isArray(value) ? JSON.stringify(value) : String(value);
}

// The file of rules while the daemon runs: read again when it changes, it is checked as a whole before any part is used, and an
// invalid file leaves the current rules in use.
import { readFile, stat } from 'node:fs/promises';
import { TFTError } from '../../contract/errors.js';
import { type Rule, type RuleModel, readyRules } from './rule.js';
import { type NotifySettings, parseRules } from './rule-file.js';

export interface ReadyRules {
  readonly rules: readonly Rule[];
  readonly notify: NotifySettings;
}

/** @throws TFTError ERR_TFT_FILE or ERR_TFT_RULES_INVALID. */
export async function readRules(path: string, model: RuleModel): Promise<ReadyRules> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new TFTError('ERR_TFT_FILE', `the rules ${path} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
  const file = parseRules(text, path);
  return { rules: readyRules(file, model), notify: file.notify };
}

/** The default rules, for a daemon without a file: one for the threshold that its risk refers to. */
export function defaultRules(threshold: number | undefined, model: RuleModel): ReadyRules {
  if (threshold === undefined) return { rules: [], notify: { alertmanager: [], webhooks: [] } };
  const content = { rules: [{ name: `${model.target} high`, above: threshold, for: 3 }] };
  const file = parseRules(JSON.stringify(content), 'the rules of the daemon itself');
  return { rules: readyRules(file, model), notify: file.notify };
}

export class RulesInUse {
  readonly #path: string;
  readonly #model: RuleModel;
  #seen = '';
  #problem: string | undefined;

  private constructor(path: string, model: RuleModel) {
    this.#path = path;
    this.#model = model;
  }

  /** @throws TFTError as {@link readRules}: a daemon does not start with invalid rules. */
  static async open(path: string, model: RuleModel): Promise<{ source: RulesInUse; first: ReadyRules }> {
    const source = new RulesInUse(path, model);
    source.#seen = await source.#version();
    return { source, first: await readRules(path, model) };
  }

  /** Why the file as it is now is not in use; undefined where it is. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** The rules of the file if it has changed and is valid; otherwise undefined. */
  async changed(): Promise<ReadyRules | undefined> {
    const version = await this.#version();
    if (version === this.#seen) return undefined;
    this.#seen = version;
    try {
      const ready = await readRules(this.#path, this.#model);
      this.#problem = undefined;
      return ready;
    } catch (error) {
      this.#problem = (error as Error).message;
      return undefined;
    }
  }

  async #version(): Promise<string> {
    try {
      const { mtimeMs, size, ino } = await stat(this.#path);
      return `${mtimeMs} ${size} ${ino}`;
    } catch (error) {
      return (error as Error).message;
    }
  }
}

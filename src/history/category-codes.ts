// Translates category values to the model's codes. A value that is not in the vocabulary becomes 0, 'unknown', and is
// counted.
import type { Category } from '../contract/model.js';

/** A value that is not in a category's vocabulary. */
export interface UnknownCategory {
  readonly category: string;
  readonly value: string;
  /** The number of rows with it. */
  count: number;
}

/** A channel of this name has the server itself as its category: such a model knows each server's own scale. */
export const SERVER_CATEGORY = 'server_id';
const MAX_REMEMBERED = 50;

/** A category's values by their codes; empty without a category. */
export function valuesByCode(category: Pick<Category, 'codes'> | undefined): ReadonlyMap<number, string> {
  return new Map(Object.entries(category?.codes ?? {}).map(([value, code]) => [code, value]));
}

/** The codes by what a history may hold: the values, and each without the blanks around it, which a CSV file loses. */
function codesOfTexts(codes: Readonly<Record<string, number>>): ReadonlyMap<string, number> {
  const entries = Object.entries(codes);
  return new Map([...entries.map(([value, code]) => [value.trim(), code] as const), ...entries]);
}

export class CategoryCodes {
  readonly #codes: readonly ReadonlyMap<string, number>[];
  readonly #names: readonly string[];
  readonly #unknown = new Map<string, UnknownCategory>();

  constructor(categories: readonly Category[]) {
    this.#names = categories.map((category) => category.name);
    this.#codes = categories.map((category) => codesOfTexts(category.codes));
  }

  /** The values that were not in the vocabulary: the first fifty different ones. */
  get unknown(): readonly UnknownCategory[] {
    return [...this.#unknown.values()];
  }

  /** Writes one row's codes. A server category is looked up by the server's name, whatever `values` says. */
  write(out: Int32Array, server: string, values: readonly (string | undefined)[]): void {
    for (let index = 0; index < out.length; index++) {
      const value = this.#names[index] === SERVER_CATEGORY ? server : values[index];
      const code = value === undefined ? 0 : this.#codes[index]?.get(value);
      if (code === undefined && value !== '' && value !== 'unknown') {
        this.#count(this.#names[index] as string, value as string);
      }
      out[index] = code ?? 0;
    }
  }

  #count(category: string, value: string): void {
    const key = `${category}\0${value}`;
    const known = this.#unknown.get(key);
    if (known !== undefined) known.count++;
    else if (this.#unknown.size < MAX_REMEMBERED) {
      // Copied for the same reason as a server's name: see FleetHistory.
      const copy = Buffer.from(value).toString();
      this.#unknown.set(Buffer.from(key).toString(), { category, value: copy, count: 1 });
    }
  }
}

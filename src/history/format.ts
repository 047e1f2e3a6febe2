// How a history file is written, where it is not as most are: what separates its columns, decimals, missing values.
// docs/history.md is the specification; test/fixtures/history-cases.json holds this reader and the exporter's to it.
import { TFTError } from '../contract/errors.js';

/** What may separate columns. */
export const SEPARATORS = [',', ';', '\t', '|'] as const;

/** Spellings of a value that was not measured, in columns of numbers; letters in any case. An empty field is one anyway. */
export const MISSING_SPELLINGS = ['nan', 'na', 'n/a', 'null', 'none', '\\n', '-'] as const;

/** Number() also takes 0x10, 0b1 and 0o7, which in a history are damage. */
const RADIX = /^0[xbo]/i;
const NINE = 57;

/** A file's way of writing. */
export interface HistoryFormat {
  readonly separator?: (typeof SEPARATORS)[number] | undefined;
  /** `,` where numbers are written like 0,5; such a file cannot separate by commas unless it quotes. */
  readonly decimal?: '.' | ',' | undefined;
  /** Instead of {@link MISSING_SPELLINGS}. */
  readonly missing?: readonly string[] | undefined;
  /** What becomes of a row with a missing value: it counts as missing (`fill`), or the file is refused. */
  readonly missingRows?: 'fill' | 'refuse' | undefined;
}

/**
 * Reads a number as a format writes it: NaN where the field says that nothing was measured, undefined where it is no finite
 * decimal number.
 */
export type NumberReader = (text: string) => number | undefined;

/** @throws TFTError ERR_TFT_OPTION. */
export function numberReader({ separator = ',', decimal = '.', missing }: HistoryFormat): NumberReader {
  if (!SEPARATORS.some((known) => known === separator)) {
    throw new TFTError('ERR_TFT_OPTION', `separator must be one of , ; | or a tab, not '${separator}'`);
  }
  if (decimal !== '.' && decimal !== ',') {
    throw new TFTError('ERR_TFT_OPTION', `decimal must be . or a comma, not '${String(decimal)}'`);
  }
  const spellings = new Set((missing ?? MISSING_SPELLINGS).map((spelling) => spelling.trim().toLowerCase()));
  return (text) => {
    const value = Number(decimal === ',' ? text.replace(',', '.') : text);
    if (value === 0 && text.trim() === '') return Number.NaN;
    if (Number.isFinite(value) && !(text.charCodeAt(1) > NINE && RADIX.test(text))) return value;
    return spellings.has(text.trim().toLowerCase()) ? Number.NaN : undefined;
  };
}

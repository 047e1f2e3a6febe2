// The format of a history file: separator of columns, decimal point, missing values. docs/cli.md is the specification;
// test/fixtures/history-cases.json tests this reader and the exporter's.
import { TFTError } from '../contract/errors.js';

/** The separators of columns. */
export const SEPARATORS = [',', ';', '\t', '|'] as const;

/** Spellings of a missing value in columns of numbers, in upper or lower case. An empty field is always missing. */
export const MISSING_SPELLINGS = ['nan', 'na', 'n/a', 'null', 'none', '\\n', '-'] as const;

/** Number() also accepts 0x10, 0b1 and 0o7, which are damage in a history. */
const RADIX = /^0[xbo]/i;
const NINE = 57;

/** The format of a file. */
export interface HistoryFormat {
  readonly separator?: (typeof SEPARATORS)[number] | undefined;
  /** `,` if numbers are written like 0,5; such a file cannot separate columns by commas unless it quotes them. */
  readonly decimal?: '.' | ',' | undefined;
  /** Instead of {@link MISSING_SPELLINGS}. */
  readonly missing?: readonly string[] | undefined;
  /** The treatment of a row with a missing value: the row counts as missing (`fill`), or the file is refused. */
  readonly missingRows?: 'fill' | 'refuse' | undefined;
}

/**
 * Reads a number in a format: NaN for a missing value, undefined for text that is not a finite decimal number.
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

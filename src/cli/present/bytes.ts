// Formats and parses sizes and times: 4.2 MiB, '10G', '30d'.
import { InvalidArgumentError } from 'commander';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
const LETTERS = 'BKMGT';
const SPANS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

export function formatBytes(bytes: number): string {
  let size = bytes;
  let unit = 0;
  for (; size >= 1024 && unit < UNITS.length - 1; unit++) size /= 1024;
  return `${unit === 0 ? size : size.toFixed(1)} ${UNITS[unit]}`;
}

/** For `Option.argParser`: a number followed by B, K, M, G or T; without a letter in `unit`. */
export function bytesArgument(text: string, unit = 'B'): number {
  const match = /^(\d+(?:\.\d+)?) ?([BKMGT])?(?:i?B)?$/i.exec(text.trim());
  if (!match) throw new InvalidArgumentError('It must be a size such as 500M or 4G.');
  const letter = (match[2] ?? unit).toUpperCase();
  return Math.round(Number(match[1]) * 1024 ** LETTERS.indexOf(letter));
}

/** For `Option.argParser`: '30d', '12h', '90m' or '2w', in milliseconds. */
export function spanArgument(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([mhdw])$/.exec(text.trim());
  if (!match) throw new InvalidArgumentError('It must be a time such as 12h or 30d.');
  return Number(match[1]) * (SPANS[match[2] as string] as number);
}

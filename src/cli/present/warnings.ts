// Writes warnings about the history to standard error, a few lines of each kind.
import type { HistoryWarning, RefusedServer } from '../../entries/history.js';
import { printable, type Screen } from '../console.js';

const SHOWN_OF_A_KIND = 5;

export async function writeWarnings(warnings: readonly HistoryWarning[], screen: Screen): Promise<void> {
  const kinds = new Map<string, HistoryWarning[]>();
  for (const warning of warnings) {
    const same = kinds.get(warning.kind);
    if (same === undefined) kinds.set(warning.kind, [warning]);
    else same.push(warning);
  }
  for (const [kind, same] of kinds) {
    const lines = same.map(({ message }) => message);
    const more = (hidden: number) =>
      kind === 'filled'
        ? `and ${hidden} more servers with filled gaps`
        : `and ${hidden} more of this kind (${kind})`;
    await writeSome(lines, more, screen.paint('yellow', 'warning:'), screen);
  }
}

export async function writeRefusals(refused: readonly RefusedServer[], screen: Screen): Promise<void> {
  const lines = refused.map(({ server, message, code }) => `${server}: ${message} (${code})`);
  await writeSome(lines, (hidden) => `and ${hidden} more servers`, screen.paint('red', 'refused:'), screen);
}

async function writeSome(
  lines: readonly string[],
  more: (hidden: number) => string,
  label: string,
  screen: Screen,
): Promise<void> {
  // If only one line would be left out it is shown, because saying so would take a line as well.
  const shown = lines.length === SHOWN_OF_A_KIND + 1 ? lines.length : SHOWN_OF_A_KIND;
  for (const line of lines.slice(0, shown)) await screen.write(`${label} ${printable(line)}\n`);
  if (lines.length > shown) await screen.write(`${label} ${more(lines.length - shown)}\n`);
}

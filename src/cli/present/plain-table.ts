// The layout of all tables: columns separated by spaces, without lines.
import Table from 'cli-table3';

const BORDERS =
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right ' +
  'right-mid middle';

/** The lines of a table, without trailing blanks. */
export function plainTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  align: readonly ('left' | 'right')[],
): string[] {
  const table = new Table({
    head: [...head],
    colAligns: [...align],
    chars: Object.fromEntries(BORDERS.split(' ').map((name) => [name, ''])),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 3, compact: true },
  });
  for (const row of rows) table.push([...row]);
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd());
}

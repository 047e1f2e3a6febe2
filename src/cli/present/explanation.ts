// What forecasts rest on, as a table: each server's heaviest variables, and its attention to the past as a line of blocks.
import { binAttention, type Explanation, type FleetForecast, type VariableWeight } from '../../index.js';
import { type Paint, printable } from '../console.js';
import { plainTable } from './plain-table.js';
import { formatSpan } from './summary.js';

/** The largest number of blocks of a line. */
const BLOCKS = 24;
const LEVELS = '▁▂▃▄▅▆▇█';
const SHOWN = 2;

/** A heading, then a row for each server. Of a model that does not explain, nothing. */
export function explanationTable({ model, forecasts }: FleetForecast, paint: Paint): string {
  const explained = forecasts.flatMap(({ server, explanation }) =>
    explanation === undefined ? [] : [{ server, explanation }],
  );
  const steps = explained[0]?.explanation.past.length ?? 0;
  if (steps === 0) return '';
  const size = Math.ceil(steps / BLOCKS);
  const rows = explained.map(({ server, explanation }) => [
    printable(server),
    heaviest(explanation.encoder),
    heaviest(explanation.decoder),
    line(explanation, size),
  ]);
  const [past, block] = [formatSpan(steps * model.stepMinutes), formatSpan(size * model.stepMinutes)];
  const lines = plainTable(
    ['server', 'of the past', 'known ahead', `${past} ago to now`].map((title) => paint('bold', title)),
    rows,
    ['left', 'left', 'left', 'left'],
  );
  return `${[
    paint('bold', 'What the forecasts rest on'),
    `the heaviest variables, in per cent of the weights · attention to the past, a block for ${block}`,
    '',
    ...lines,
  ].join('\n')}\n`;
}

function heaviest(weights: readonly VariableWeight[]): string {
  return weights
    .slice(0, SHOWN)
    .map(({ label, weight }) => `${label} ${Math.round(weight * 100)}`)
    .join(', ');
}

function line({ past }: Explanation, size: number): string {
  const bins = binAttention(past, size);
  const highest = Math.max(1e-9, ...bins);
  return bins
    .map((weight) => LEVELS[Math.min(LEVELS.length - 1, Math.floor((weight / highest) * LEVELS.length))])
    .join('');
}

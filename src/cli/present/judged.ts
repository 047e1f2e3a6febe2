// Writes a backtest as tables: the forecasts in competition, then by horizon, by regime and by server.
import { formatTimestamp } from '../../entries/history.js';
import type { Backtest, JudgedSlice, TallyRow } from '../../entries/judging.js';
import { type Paint, printable } from '../console.js';
import { plainTable } from './plain-table.js';
import { formatSpan } from './summary.js';

export function backtestReport(result: Backtest, paint: Paint): string {
  const { windows, machines, model, target, unit, everyMinutes } = result;
  const bold = (titles: readonly string[]) => titles.map((title) => paint('bold', title));
  const numbers = (count: number) => [
    'left' as const,
    ...Array.from({ length: count }, () => 'right' as const),
  ];
  const row = result.forecasts[0] as TallyRow;

  const competitors = plainTable(
    bold(['forecast', 'loss', 'under best naive', '95 % interval', '80 % band holds']),
    result.forecasts.map(({ name, ...figures }) => [
      name === result.bestNaive ? `${name} (the best)` : name,
      figures.pinball.toPrecision(4),
      signed(figures.gain),
      interval(figures.interval),
      share(figures.coverage80),
    ]),
    numbers(4),
  );
  const slices = (title: string, named: readonly (readonly [string, JudgedSlice])[]) =>
    plainTable(
      bold([
        title,
        'windows',
        'servers',
        'loss',
        'best naive',
        'under it',
        '95 % interval',
        '80 % band holds',
      ]),
      named.map(([name, slice]) => {
        const model = slice.forecasts[0] as TallyRow;
        const naive = slice.forecasts.find((entry) => entry.name === slice.bestNaive) as TallyRow;
        return [
          name,
          count(slice.windows),
          count(slice.machines),
          model.pinball.toPrecision(4),
          `${naive.pinball.toPrecision(4)} ${slice.bestNaive}`,
          signed(model.gain),
          interval(model.interval),
          share(model.coverage80),
        ];
      }),
      numbers(7),
    );
  const servers = plainTable(
    bold(['server', 'windows', 'loss', 'best naive', 'use', 'naive was chosen']),
    result.servers.map((server) => [
      printable(server.machine),
      count(server.windows),
      server.pinball.toPrecision(4),
      `${server.naivePinball.toPrecision(4)} ${server.bestNaive}`,
      server.use === 'model' ? paint('green', 'model') : paint('yellow', `naive: ${server.use}`),
      share(server.naiveShare),
    ]),
    numbers(5),
  );
  const use = result.servers.filter((server) => server.use === 'model').length;
  return `${[
    `${paint('bold', `${model} on ${target}`)}: ${count(windows)} windows of ${count(machines)} servers, ` +
      `a forecast every ${formatSpan(everyMinutes)} from ${formatTimestamp(result.from)} to ${formatTimestamp(result.to)}`,
    `pinball loss${unit === '' ? '' : ` in ${unit}`}; intervals by bootstrap over servers; coverage at a resolution of ${Number(result.resolution.toPrecision(3))}`,
    '',
    ...competitors,
    '',
    `The model ${verdict(row)}; it is ahead on ${result.won} of ${machines} servers.`,
    `As the graph gives them ${share(result.crossed)} of neighbouring quantiles cross (in ${share(result.crossedWindows)} of windows) and ` +
      `${share(result.outOfRange)} of values are out of range; they are sorted and cut before they are judged.`,
    '',
    ...slices(
      'horizon',
      result.horizons.map((slice) => [`+${formatSpan(slice.minutes)}`, slice]),
    ),
    '',
    ...slices(
      'regime',
      result.regimes.map((slice) => [slice.regime, slice]),
    ),
    '',
    ...servers,
    '',
    `By their own past ${use} of ${machines} servers should use the model, ${machines - use} a naive forecast.`,
  ].join('\n')}\n`;
}

/** What the figures say about the model, in words that hold at both ends of the interval. */
function verdict({ gain, interval }: TallyRow): string {
  if (gain === null) return 'meets naive forecasts without any loss';
  const [low, high] = interval ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  if (low > 0) return 'is better than every naive forecast';
  if (high < 0) return 'is worse than the best naive forecast';
  return 'cannot be distinguished from the best naive forecast on these servers';
}

function count(value: number): string {
  return value.toLocaleString('en');
}

function signed(gain: number | null): string {
  return gain === null ? '' : `${(gain * 100).toFixed(1)} %`;
}

function share(value: number | null): string {
  return value === null ? '' : `${(value * 100).toFixed(1)} %`;
}

function interval(ends: readonly [number, number] | null): string {
  return ends === null ? '' : `${ends.map((end) => (end * 100).toFixed(0)).join(' to ')}`;
}

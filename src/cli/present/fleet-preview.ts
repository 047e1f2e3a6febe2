// What a mapping finds in a Prometheus, as text.
import type { PrometheusPreview } from '../../fleet/index.js';
import { plainTable } from './plain-table.js';

const MOST_SERVERS = 20;
const HEAD = ['metric', 'unit', 'servers', 'least / middle / largest', 'from'];
const ALIGN = ['left', 'left', 'right', 'left', 'left'] as const;

export function previewText(url: string, { servers, metrics, incomplete }: PrometheusPreview): string {
  const shown = servers.slice(0, MOST_SERVERS).join(', ');
  const more = servers.length > MOST_SERVERS ? ` and ${servers.length - MOST_SERVERS} more` : '';
  const rows = metrics.map(({ metric, unit, from, servers: count, values }) => [
    metric,
    unit,
    String(count),
    values === undefined ? '-' : values.map((value) => Number(value.toPrecision(3))).join(' / '),
    from,
  ]);
  const lacking = incomplete
    .slice(0, MOST_SERVERS)
    .map(({ server, lacks }) => `${server} lacks ${lacks.join(', ')} and cannot be forecast\n`);
  return [
    `${url}: ${servers.length} server${servers.length === 1 ? '' : 's'}${servers.length > 0 ? `: ${shown}${more}` : ''}\n\n`,
    ...plainTable(HEAD, rows, ALIGN).map((line) => `${line}\n`),
    '\n',
    ...lacking,
  ].join('');
}

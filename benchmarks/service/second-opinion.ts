// Compares our load generator with autocannon, in turns and with the same requests.
import { createRequire } from 'node:module';
import { type Comparison, more, options, percentile, report, seconds } from '../harness.js';
import { inTurnsOf, summary } from './parts/closed-loop.js';
import { Connection } from './parts/connection.js';
import { startService } from './parts/processes.js';
import { loadReplay } from './parts/recorded-windows.js';
import { jsonRequest, kserveRequest } from './parts/requests.js';

const TURNS = 3;

/** The part of autocannon's interface that is used. */
type Autocannon = (options: {
  url: string;
  method: 'POST';
  headers: Record<string, string>;
  body: Buffer;
  connections: number;
  duration: number;
}) => Promise<{ '2xx': number; non2xx: number; errors: number; duration: number }>;
const autocannon = createRequire(import.meta.url)('autocannon') as Autocannon;

const { model, source, batches } = await loadReplay(options.bundle);
console.log(`replaying ${source}`);
const service = await startService(['--model', options.bundle]);

/** Requests per second by autocannon, which repeats one request. */
async function byAutocannon(request: Buffer, callers: number, duration: number): Promise<number> {
  const end = request.indexOf('\r\n\r\n');
  const [first = '', ...lines] = request.toString('latin1', 0, end).split('\r\n');
  const headers = lines.map((line) => line.split(': ') as [string, string]);
  const found = await autocannon({
    url: `http://127.0.0.1:${service.port}${first.split(' ')[1]}`,
    method: 'POST',
    headers: Object.fromEntries(headers.filter(([name]) => name !== 'host' && name !== 'content-length')),
    body: request.subarray(end + 4),
    connections: callers,
    duration,
  });
  const { '2xx': good, non2xx, errors } = found;
  if (non2xx > 0 || errors > 0) throw new Error(`autocannon: ${non2xx} refusals, ${errors} errors`);
  return good / found.duration;
}

const comparisons: Comparison[] = [];
for (const [batch, callers] of [
  [1, 16],
  [8, 8],
  [32, 4],
] as const) {
  const [inputs] = batches(batch, 1);
  if (inputs === undefined) throw new Error('there is nothing to replay');
  for (const [kind, request] of [
    ['binary', kserveRequest(model, inputs)],
    ['json', jsonRequest(model, inputs)],
  ] as const) {
    const connections = Array.from({ length: callers }, () => new Connection(service.port));
    const call = async (caller: number) => {
      const { status } = await (connections[caller] as Connection).request(request);
      if (status !== 200) throw new Error(`status ${status}`);
    };
    const rates = { own: [] as number[], autocannon: [] as number[] };
    for (let turn = 0; turn < TURNS; turn++) {
      const { own } = await inTurnsOf({ own: call }, { callers, seconds: seconds / TURNS });
      rates.own.push(summary(own).perSecond);
      rates.autocannon.push(await byAutocannon(request, callers, Math.max(1, seconds / TURNS)));
    }
    for (const connection of connections) connection.close();
    const middle = (list: readonly number[]) => percentile(list, 0.5);
    comparisons.push(
      more(`requests-B${batch}-${kind}-vs-autocannon`, '/s', middle(rates.own), middle(rates.autocannon)),
    );
  }
}
await service.stop();
report('service-second-opinion', 'Does another load generator see the same service?', comparisons, {
  replayed: source,
});

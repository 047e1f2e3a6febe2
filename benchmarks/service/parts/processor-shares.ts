// Who used the processors during a measurement: the service, the load generator, and other programs.
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Processors in use on average: 1 is one of them all the time. */
export interface Shares {
  readonly generator: number;
  readonly service: number;
  readonly others: number;
}

/** Begins to measure; the result ends it. @param pid the service's. Linux only. */
export function processorShares(pid: number): () => Shares {
  const begin = now(pid);
  return () => {
    const end = now(pid);
    const used = (key: keyof typeof end) => (end[key] - begin[key]) / (end.at - begin.at);
    const [generator, service] = [used('generator'), used('service')];
    return { generator, service, others: Math.max(0, used('all') - generator - service) };
  };
}

/** Milliseconds of processor time so far. */
function now(pid: number) {
  const { user, system } = process.cpuUsage();
  const busy = cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0);
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // Ticks of 10 ms.
  const service = (Number(fields[11]) + Number(fields[12])) * 10;
  return { at: performance.now(), all: busy, generator: (user + system) / 1000, service };
}

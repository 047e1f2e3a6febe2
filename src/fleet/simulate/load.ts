// Posts the records of simulated servers at a fixed pace, as many agents would, and measures the answers.
import { setTimeout as delay } from 'node:timers/promises';
import type { SimulatedFleet } from './simulated-fleet.js';

export interface LoadOptions {
  /** The daemon's address. */
  readonly url: string;
  readonly apiKey?: string | undefined;
  readonly servers: number;
  /** Seconds between a server's records; 0 sends as fast as answers arrive. */
  readonly everySeconds: number;
  /** Records in a request. */
  readonly batch: number;
  /** The number of requests in flight. */
  readonly connections: number;
  /** Hours of the past that are sent first, a record a step. */
  readonly pastHours: number;
  readonly stepMs: number;
  readonly signal: AbortSignal;
  readonly onReport: (report: LoadReport) => void;
}

export interface LoadReport {
  readonly seconds: number;
  readonly accepted: number;
  readonly refused: number;
  readonly failed: number;
  /** Records that were accepted a second. */
  readonly rate: number;
  /** Milliseconds until an answer: the middle, the 99th of a hundred, the largest. */
  readonly latency: readonly [number, number, number];
  /** How many seconds the sender is behind its pace. */
  readonly behind: number;
}

const REPORT_MS = 5000;
const MAX_LATENCIES = 100_000;

/** Sends until the signal. @returns the report of the whole run. */
export async function runLoad(fleet: SimulatedFleet, options: LoadOptions): Promise<LoadReport> {
  const { servers, everySeconds, batch, connections, pastHours, stepMs, signal, onReport } = options;
  const begin = performance.now();
  const latencies: number[] = [];
  let [accepted, refused, failed, behind] = [0, 0, 0, 0];
  const report = (): LoadReport => {
    const seconds = (performance.now() - begin) / 1000;
    const sorted = latencies.toSorted((a, b) => a - b);
    const at = (share: number) =>
      Math.round((sorted[Math.floor(share * (sorted.length - 1))] ?? 0) * 10) / 10;
    return {
      seconds,
      accepted,
      refused,
      failed,
      rate: accepted / seconds,
      latency: [at(0.5), at(0.99), at(1)],
      behind,
    };
  };
  const timer = setInterval(() => onReport(report()), REPORT_MS);

  const send = async (from: number, time: number) => {
    const records = Array.from({ length: Math.min(batch, servers - from) }, (_, index) =>
      fleet.record(from + index, time),
    );
    const sent = performance.now();
    try {
      const answer = await fetch(new URL('/feed/data', options.url), {
        method: 'POST',
        body: JSON.stringify({ records }),
        headers: {
          'content-type': 'application/json',
          ...(options.apiKey === undefined ? {} : { 'x-api-key': options.apiKey }),
        },
        signal,
      });
      const body = (await answer.json()) as { accepted?: number; refused?: number };
      if (answer.ok) {
        accepted += body.accepted ?? 0;
        refused += body.refused ?? 0;
      } else failed += records.length;
      if (latencies.length < MAX_LATENCIES) latencies.push(performance.now() - sent);
    } catch {
      if (!signal.aborted) failed += records.length;
    }
  };
  const round = async (timeOf: (server: number) => number, paceMs: number) => {
    const start = performance.now();
    let next = 0;
    const worker = async () => {
      while (next < servers && !signal.aborted) {
        const from = next;
        next += batch;
        // Spread over the round, as agents are.
        const wait = start + (paceMs * from) / servers - performance.now();
        if (wait > 0) await delay(wait, undefined, { signal }).catch(() => {});
        if (!signal.aborted) await send(from, timeOf(from));
      }
    };
    await Promise.all(Array.from({ length: connections }, worker));
    return paceMs - (performance.now() - start);
  };

  try {
    const now = Date.now();
    for (let time = now - pastHours * 3_600_000; time < now - stepMs && !signal.aborted; time += stepMs) {
      const at = time;
      await round(() => at, 0);
    }
    while (!signal.aborted) {
      const left = await round(() => Date.now(), everySeconds * 1000);
      if (left > 0) await delay(left, undefined, { signal }).catch(() => {});
      else behind += -left / 1000;
    }
  } finally {
    clearInterval(timer);
  }
  return report();
}

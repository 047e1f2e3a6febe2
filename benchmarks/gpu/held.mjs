// Checks that a plan's forecasts are PyTorch's at each batch size before it is timed there: the speed of wrong forecasts is
// meaningless, so no step reports it. The result is stored in a file next to the plan.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { judge } from '../../lib/contract/verdict.js';
import { TFTEngine } from '../../lib/index.js';
import { libraries, model, planOf, request, samples, say, width } from './session.mjs';

/** The given batch sizes whose forecasts are right; a wrong one is written as a record of the kind 'held'. */
export async function held(name, batches, precision = 'fp32') {
  const path = planOf(name).replace(/engine$/, 'held.json');
  const plan = createHash('sha256')
    .update(readFileSync(planOf(name)))
    .digest('hex');
  let known = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
  if (known.plan !== plan) known = { plan, batches: {} };
  const open = batches.filter((batch) => known.batches[batch] === undefined);
  if (open.length > 0) {
    const engine = await TFTEngine.load(planOf(name), {
      backend: 'tensorrt',
      tensorrt: { ...libraries, lanes: 1 },
    });
    try {
      for (const batch of open) known.batches[batch] = await hold(engine, name, batch, precision);
    } finally {
      await engine.close();
    }
    writeFileSync(path, JSON.stringify(known));
  }
  return batches.filter((batch) => known.batches[batch]);
}

async function hold(engine, plan, batch, precision) {
  const windows = Array.from({ length: batch }, (_, i) => (i * 7 + batch) % samples.count);
  let verdict;
  // The first run of a batch size is enqueued directly, the next ones launch a CUDA graph.
  for (let i = 0; i < 3 && (verdict?.withinLimit ?? true); i++) {
    const { data } = await engine.predict(request(windows));
    verdict = compare(windows, data, precision);
  }
  say({ kind: 'held', plan, batch, ...figuresOf(verdict) });
  if (!verdict.withinLimit) process.exitCode = 1;
  return verdict.withinLimit;
}

/** Compares forecasts of some of the sample windows with PyTorch's. */
export function compare(windows, data, precision) {
  const expected = new Float32Array(windows.length * width);
  windows.forEach((window, row) => {
    expected.set(samples.expected.subarray(window * width, (window + 1) * width), row * width);
  });
  const turned = new Set(samples.monthTurn);
  const monthTurn = new Set(windows.flatMap((window, row) => (turned.has(window) ? [row] : [])));
  // A single window may be one that is not judged; it is judged here anyway.
  const judged = monthTurn.size < windows.length ? monthTurn : new Set();
  return judge(
    model,
    { line: '', precision },
    { ...samples, count: windows.length, expected, monthTurn: judged },
    data,
  );
}

export function figuresOf({ maximum, spread, shares, tolerance, withinLimit }) {
  return {
    ofSpread: maximum / spread,
    limit: shares.length > 0 ? undefined : tolerance,
    shares: shares.map(({ share, within, goal }) => ({ share, within, goal })),
    withinLimit,
  };
}

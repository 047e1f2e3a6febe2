// Measures the cost of checking and packing a request, compared with plain copies of the same arrays, and its share of a
// prediction on this machine.
import { Bench } from 'tinybench';
import { Slab } from '../src/batching/slab.js';
import { Contract } from '../src/contract/inputs.js';
import { TFTEngine } from '../src/index.js';
import { type Comparison, less, options, percentile, report, Samples, seconds } from './harness.js';

const BATCHES = [1, 8, 32];
const ROUNDS = 5;

const { model, samples } = await Samples.load(options.bundle);
const contract = new Contract(model);
const comparisons: Comparison[] = [];

for (const batch of BATCHES) {
  const inputs = samples.batch(batch);
  const { arrays } = contract.accept(inputs);
  const slab = new Slab(contract.tensors, batch);
  const ours: number[] = [];
  const peer: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const bench = new Bench({ time: (seconds * 1000) / ROUNDS / 2, warmupTime: 50 });
    bench.add('check and pack', () => {
      contract.pack(contract.accept(inputs), 0, batch, slab, 0);
    });
    bench.add('copy', () => {
      for (const [index, array] of arrays.entries()) slab.inputs[index]?.set(array);
    });
    const [checked, copied] = await bench.run();
    if (checked?.result.state !== 'completed' || copied?.result.state !== 'completed')
      throw new Error('failed');
    ours.push(checked.result.latency.p50 * 1000);
    peer.push(copied.result.latency.p50 * 1000);
  }
  comparisons.push(less(`check-and-pack-B${batch}`, 'µs', percentile(ours, 0.5), percentile(peer, 0.5)));
}

const engine = await TFTEngine.load(options.bundle);
for (const batch of BATCHES) {
  const inputs = samples.batch(batch);
  const times: number[] = [];
  const end = performance.now() + (seconds * 1000) / 2;
  while (performance.now() < end) {
    const start = performance.now();
    await engine.predict(inputs);
    times.push((performance.now() - start) * 1000);
  }
  const check = comparisons.find(({ name }) => name === `check-and-pack-B${batch}`)?.ours ?? Number.NaN;
  const part = (100 * check) / percentile(times, 0.5);
  console.log(`of a prediction with B=${batch}, checking and packing is ${part.toPrecision(2)} %`);
}
await engine.close();

report('contract-check', 'checking and packing a request against TypedArray.set of its arrays', comparisons);

// An engine in a worker thread: whatever the main thread does, forecasts are made, and the other way round.
import { once } from 'node:events';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { readHistory, TFTEngine } from 'tft-tensorrt';

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url));
  worker.postMessage('forecast');
  const [peaks] = await once(worker, 'message');
  for (const { server, peak } of peaks)
    console.log(`${server}: at most ${peak.toFixed(1)} with a chance of 90 %`);
  worker.postMessage('end');
  await once(worker, 'exit');
} else {
  const engine = await TFTEngine.load('demo');
  parentPort.on('message', async (message) => {
    if (message === 'end') {
      await engine.close();
      parentPort.close();
      return;
    }
    const history = await readHistory(join(engine.model.directory, 'history.csv.gz'), engine.model);
    const forecast = await engine.forecast(history);
    parentPort.postMessage(
      Array.from(forecast, (one) => ({ server: one.server, peak: Math.max(...one.quantile(0.9)) })),
    );
  });
}

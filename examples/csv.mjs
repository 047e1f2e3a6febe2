// Forecasts every server of a CSV file: node csv.mjs metrics.csv
// Without a file it takes the sample history of the demo model.
import { join } from 'node:path';
import { readHistory, TFTEngine } from 'tft-tensorrt';

const engine = await TFTEngine.load('demo');
const file = process.argv[2] ?? join(engine.model.directory, 'history.csv.gz');

const history = await readHistory(file, engine.model);
const forecast = await engine.forecast(history);
for (const { server, message } of forecast.refused) console.error(`${server}: ${message}`);

const { target, unit } = forecast.about;
for (const one of forecast) {
  const { low, high } = one.band(0.8);
  const last = one.horizon - 1;
  console.log(
    `${one.server}: ${target} is ${one.now.toFixed(1)} ${unit} now, and at ${one.times[last].toISOString()} ` +
      `with a chance of 80 % between ${low[last].toFixed(1)} and ${high[last].toFixed(1)}`,
  );
}
await engine.close();

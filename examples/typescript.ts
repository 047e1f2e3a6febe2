// Feeds a FleetHistory by hand and forecasts it, with types: npx tsx typescript.ts
import { FleetHistory, type HistoryRow, type ModelDescription, TFTEngine, TFTError } from 'tft-tensorrt';

/** A day of measurements of one server, made up: a wave over the day. */
function measurements(model: ModelDescription, server: string, until: number): HistoryRow[] {
  const step = model.stepMinutes * 60_000;
  return Array.from({ length: model.encoderLength }, (_, index) => {
    const time = until - (model.encoderLength - 1 - index) * step;
    const wave = 30 + 20 * Math.sin((time / 86_400_000) * 2 * Math.PI);
    const metrics = Object.fromEntries(
      model.metrics.map(({ name }) => [name, name === model.target ? wave : 1]),
    );
    return { timestamp: time, server_name: server, profile: 'web_api', status: 'healthy', metrics };
  });
}

const engine = await TFTEngine.load('demo');
const history = new FleetHistory(engine.model, { expireAfterMinutes: 24 * 60 });
const now = Date.UTC(2026, 1, 2, 8);
history.addAll([...measurements(engine.model, 'web-1', now), ...measurements(engine.model, 'web-2', now)]);

try {
  const forecast = await engine.forecast(history);
  const median: Float32Array = forecast.series('web-1').quantile(0.5);
  console.log(`web-1 in an hour: ${median[11]?.toFixed(1)} ${forecast.about.unit}`);
  console.log(
    `web-2, the most with a chance of 95 %: ${Math.max(...forecast.series('web-2').quantile(0.95)).toFixed(1)}`,
  );
} catch (error) {
  if (!(error instanceof TFTError)) throw error;
  console.error(error.code, error.message);
}
await engine.close();

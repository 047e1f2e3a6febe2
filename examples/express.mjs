// An Express service that takes measurements as they come and forecasts them: node express.mjs [PORT]
//   curl -H 'Content-Type: application/json' -d '[{"timestamp": …, "server_name": …, "metrics": {…}}]' localhost:3000/measurements
//   curl localhost:3000/forecasts
import express from 'express';
import { FleetHistory, TFTEngine, TFTError } from 'tft-tensorrt';

const engine = await TFTEngine.load('demo');
const history = new FleetHistory(engine.model, { expireAfterMinutes: 24 * 60 });

const app = express();
app.use(express.json({ limit: '10mb' }));
app.post('/measurements', (request, response) => {
  history.addAll(request.body); // all rows or none: a bad one is named by index, server and time
  response.status(204).end();
});
app.get('/forecasts', async (_request, response) => {
  response.json(await engine.forecast(history));
});
app.use((error, _request, response, _next) => {
  const status = error instanceof TFTError && error.code.startsWith('ERR_TFT_HISTORY') ? 400 : 500;
  response.status(status).json({ error: error.message, code: error.code });
});

const server = app.listen(Number(process.argv[2] ?? 3000), () => {
  console.log(`http://localhost:${server.address().port}`);
});
process.once('SIGTERM', () => server.close(() => engine.close()));

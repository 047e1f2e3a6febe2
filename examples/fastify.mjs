// A Fastify service of one's own that forecasts: node fastify.mjs [PORT]
//   curl -H 'Content-Type: text/csv' --data-binary @metrics.csv localhost:3000/forecast
import Fastify from 'fastify';
import { Registry } from 'prom-client';
import { tftPlugin } from 'tft-tensorrt/service';

const app = Fastify();
const registry = new Registry();
await app.register(tftPlugin, { model: 'demo', registry }); // POST /forecast, and app.tft for your own routes

app.get('/model', async () => {
  const { model, info } = app.tft;
  return { model: model.name, target: model.target, runs: `${info.backend}, ${info.precision}` };
});
app.get('/metrics', async (_request, reply) =>
  reply.type(registry.contentType).send(await registry.metrics()),
);

console.log(await app.listen({ port: Number(process.argv[2] ?? 3000) }));
process.once('SIGTERM', () => app.close());

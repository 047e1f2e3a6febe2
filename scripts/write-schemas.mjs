// Writes the published JSON Schemas, schemas/*.schema.json, of the zod schemas in lib/: node scripts/write-schemas.mjs
import { writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { forecastSchema } from '../lib/forecast-schema.js';

const { $schema, $defs } = z.toJSONSchema(forecastSchema, { io: 'input' });
const { id: _id, ...schema } = $defs.Forecasts;
await writeFile(
  new URL('../schemas/forecast.schema.json', import.meta.url),
  `${JSON.stringify({ $schema, title: 'Forecasts of a fleet', ...schema }, null, 2)}\n`,
);

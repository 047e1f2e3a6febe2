// Parses and answers POST /predict: the input tensors by name, and the predictions as nested arrays.

import type { Forecast } from '../../contract/forecast.js';
import { inputsOf } from '../../contract/inputs.js';
import type { Holding } from '../admission/budget.js';
import { badBody } from '../http/http-error.js';
import { scanTensors } from '../http/json/tensor-scan.js';
import { checkNesting, fromNumbers } from '../http/tensors.js';
import { writePredictions } from '../http/write-predictions.js';
import type { ServedModel } from '../model-host.js';
import { asObject, type ForecastQuestion } from './forecast-request.js';

/** @throws HttpError ERR_TFT_HTTP_BODY, ERR_TFT_INPUT_…, ERR_TFT_HTTP_TOO_LARGE. */
export async function understandPredict(
  body: Buffer,
  model: ServedModel,
  maxServers: number,
  holding: Holding,
): Promise<ForecastQuestion> {
  const { inputs } = model.tensors;
  const names = new Set(inputs.map(({ name }) => name));
  const maxNumbers = maxServers * Math.max(...inputs.map(({ size }) => size));
  const rules = { keys: names, maxTensors: names.size, maxNumbers, expected: [...names].join(', ') };
  const { rest, tensors } = await scanTensors(body, rules, holding);
  const request = asObject(rest, 'the request');
  const surplus = Object.keys(request).find((key) => !names.has(key));
  if (surplus !== undefined) {
    throw badBody(`'${surplus.slice(0, 40)}' is unknown; ${[...names].join(', ')} are expected`);
  }
  const arrays = inputs.map((spec) => {
    const place = request[spec.name];
    const numbers = typeof place === 'number' ? tensors[place] : undefined;
    if (numbers === undefined) throw badBody(`${spec.name} is missing; an array of numbers is expected`);
    checkNesting(spec, numbers);
    return [spec, fromNumbers(spec, numbers)] as const;
  });
  return { inputs: inputsOf(arrays) };
}

export function answerPredict(
  { data, shape, quantiles }: Forecast,
  { engine, name, version }: ServedModel,
): Promise<Buffer> {
  const { stepMinutes, target } = engine.model;
  const about = { model: name, version, target, step_minutes: stepMinutes, quantiles, shape };
  const head = `${JSON.stringify(about).slice(0, -1)},"predictions":`;
  return writePredictions(head, data, shape, '}');
}

// Values that no model can forecast from, and the error that names each.
import type { ForecastInputs } from '../../src/index.js';
import { variedInputs } from '../fixtures/bundles.js';

/** The series of a request, some of which are in a second run. */
export const SERIES = 7;

type BadValue = readonly [
  tensor: keyof ForecastInputs,
  index: number,
  value: number,
  where: { readonly server: number; readonly step: number; readonly channel: string },
  expected: string,
];

const NUMBER = 'a finite number';
const PROFILE = 'a code from 0 to 2';
const STATUS = 'a code from 0 to 3';

export const BAD_VALUES: readonly BadValue[] = [
  ['encoderCont', 0, Number.NaN, { server: 0, step: 0, channel: 'cpu_user_pct' }, NUMBER],
  ['encoderCont', 115, Number.POSITIVE_INFINITY, { server: 6, step: 2, channel: 'net_in_mb_s' }, NUMBER],
  ['encoderCont', 125, Number.NEGATIVE_INFINITY, { server: 6, step: 5, channel: 'load_average' }, NUMBER],
  ['decoderCont', 13, Number.NaN, { server: 1, step: 2, channel: 'is_weekend' }, NUMBER],
  ['decoderCont', 55, Number.POSITIVE_INFINITY, { server: 6, step: 3, channel: 'is_weekend' }, NUMBER],
  ['encoderCat', 16, -1, { server: 1, step: 2, channel: 'profile' }, PROFILE],
  ['encoderCat', 16, 3, { server: 1, step: 2, channel: 'profile' }, PROFILE],
  ['encoderCat', 83, 4, { server: 6, step: 5, channel: 'status' }, STATUS],
  ['decoderCat', 0, -(2 ** 31), { server: 0, step: 0, channel: 'profile' }, PROFILE],
  ['decoderCat', 55, 2 ** 31 - 1, { server: 6, step: 3, channel: 'status' }, STATUS],
];

export function withValue(...[tensor, index, value]: BadValue): ForecastInputs {
  const inputs = variedInputs(SERIES, 3);
  inputs[tensor][index] = value;
  return inputs;
}

/** @param spell how readers of the message know the tensor. */
export function errorOf([tensor, index, found, where, expected]: BadValue, spell = (key: string) => key) {
  const { server, step, channel } = where;
  const isCode = tensor.endsWith('Cat');
  const named = `${isCode ? 'category ' : ''}'${channel}'`;
  return {
    name: 'TFTError',
    code: isCode ? 'ERR_TFT_INPUT_CATEGORY' : 'ERR_TFT_INPUT_VALUE',
    message: `${spell(tensor)}[${index}] (series ${server}, step ${step}, ${named}) is ${found}; ${expected} is expected`,
    details: { tensor, index, ...where, found, expected },
  };
}

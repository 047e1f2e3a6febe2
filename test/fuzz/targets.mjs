// What is fuzzed: each has a name, seeds, words that mutations insert, and `run`.
import * as csv from './targets/csv.mjs';
import * as infer from './targets/infer.mjs';
import * as json from './targets/json.mjs';
import * as model from './targets/model.mjs';
import * as onnx from './targets/onnx.mjs';
import * as record from './targets/record.mjs';
import * as rows from './targets/rows.mjs';

export const targets = [json, infer, rows, csv, model, onnx, record];

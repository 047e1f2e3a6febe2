// Writes bodies that tft-server takes, as the target `request` reads them: node make-requests.mjs FOLDER.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const [folder] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const tensors = [
  ['encoder_cont', 'FP32', [1, 6, 3]],
  ['encoder_cat', 'INT32', [1, 6, 2]],
  ['decoder_cont', 'FP32', [1, 4, 2]],
  ['decoder_cat', 'INT64', [1, 4, 2]],
];
const zeros = ([, , shape]) => new Array(shape.reduce((product, size) => product * size)).fill(0);
const predict = JSON.stringify(Object.fromEntries(tensors.map((tensor) => [tensor[0], zeros(tensor)])));
const declared = tensors.map(([name, datatype, shape]) => ({ name, datatype, shape }));
const infer = (inputs) =>
  JSON.stringify({
    id: 'a',
    parameters: { timeout: 1000, binary_data_output: true },
    inputs,
    outputs: [{ name: 'predictions', parameters: { binary_data: false } }],
  });
const bytesOf = ([, datatype], count) => count * (datatype === 'INT64' ? 8 : 4);
const sizes = tensors.map((tensor) => bytesOf(tensor, zeros(tensor).length));
const json = infer(declared.map((tensor, i) => ({ ...tensor, data: zeros(tensors[i]) })));
const binary = infer(
  declared.map((tensor, i) => ({ ...tensor, parameters: { binary_data_size: sizes[i] } })),
);

const write = (name, kind, header, body) =>
  writeFileSync(
    join(folder, name),
    Buffer.concat([Buffer.from([kind, header >> 8, header & 255]), Buffer.from(body)]),
  );
write('predict', 0, 0, predict);
write('nested', 0, 0, predict.replace('[0,0,0,0', '[[0,0],[0,0'));
write('infer', 1, 0, json);
write(
  'binary',
  2,
  binary.length,
  Buffer.concat([Buffer.from(binary), Buffer.alloc(sizes.reduce((a, b) => a + b))]),
);
write('gzip', 3, 0, gzipSync(predict));
write('accepted', 4, 0, 'gzip;q=0.1, br;q=0.9');
write('length', 5, 0, '144');

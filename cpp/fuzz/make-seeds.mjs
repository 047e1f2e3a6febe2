// Writes ONNX files without their weights: small enough to be changed often, with all that the builder looks at.
//   make-seeds.mjs FOLDER FILE.onnx …
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import protobuf from 'protobufjs/minimal.js';

/** Field numbers of onnx.proto. */
const [GRAPH, NODE, INITIALIZER, ATTRIBUTE, TENSOR] = [7, 1, 5, 5, 5];
const WEIGHTS = new Set([4, 5, 7, 9, 10]);

/** The message with `change` applied to each field that has a length; undefined leaves it out. */
function changed(message, change) {
  const reader = protobuf.Reader.create(message);
  const pieces = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    if ((tag & 7) !== 2) {
      reader.skipType(tag & 7);
      pieces.push(message.subarray(start, reader.pos));
      continue;
    }
    const content = change(tag >>> 3, reader.bytes());
    if (content !== undefined) pieces.push(protobuf.Writer.create().uint32(tag).bytes(content).finish());
  }
  return Buffer.concat(pieces);
}

const withoutWeights = (tensor) =>
  changed(tensor, (field, content) => (WEIGHTS.has(field) ? undefined : content));
const inField = (wanted, change) => (field, content) => (field === wanted ? change(content) : content);
const attribute = (content) => changed(content, inField(TENSOR, withoutWeights));
const node = (content) => changed(content, inField(ATTRIBUTE, attribute));
const graph = (content) =>
  changed(content, (field, part) =>
    field === NODE ? node(part) : field === INITIALIZER ? withoutWeights(part) : part,
  );

const [folder, ...files] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
for (const file of files) {
  const seed = changed(readFileSync(file), inField(GRAPH, graph));
  writeFileSync(join(folder, `${basename(dirname(file))}-${basename(file)}`), seed);
}

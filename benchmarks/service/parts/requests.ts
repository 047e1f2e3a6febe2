// Prepares requests as bytes (the JSON of /predict, the binary body of KServe v2, bare tensors), and reads the predictions
// from the responses.
import type { ForecastInputs, ModelDescription } from '../../../src/index.js';
import type { Answer } from './connection.js';

type Values = Float32Array | Int32Array;
type Named = readonly {
  readonly name: string;
  readonly type: string;
  readonly shape: number[];
  values: Values;
}[];

/** The tensors by their names on the wire, in the model's order. */
function tensors(model: ModelDescription, inputs: ForecastInputs): Named {
  const arrays: Record<string, Values> = {
    encoder_cont: inputs.encoderCont,
    encoder_cat: inputs.encoderCat,
    decoder_cont: inputs.decoderCont,
    decoder_cat: inputs.decoderCat,
  };
  return model.inputs.map(({ name, type, shape }) => {
    const values = arrays[name];
    if (values === undefined)
      throw new Error(`the model has an input '${name}' that the benchmarks do not know`);
    const sizes = shape.slice(1).map(Number);
    return { name, type, values, shape: [values.length / sizes.reduce((a, b) => a * b), ...sizes] };
  });
}

/** The request's bytes. */
export function post(path: string, body: Buffer, headers: Readonly<Record<string, string>> = {}): Buffer {
  const all = { host: '127.0.0.1', 'content-length': String(body.length), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n`), body]);
}

/** The bytes of a GET request. */
export function get(path: string): Buffer {
  return Buffer.from(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`);
}

/** POST /predict with nested arrays. */
export function jsonRequest(model: ModelDescription, inputs: ForecastInputs): Buffer {
  const fields = tensors(model, inputs).map(
    ({ name, values, shape }) => `${JSON.stringify(name)}:${nested(values, shape)}`,
  );
  return post('/predict', Buffer.from(`{${fields.join(',')}}`), { 'content-type': 'application/json' });
}

/** POST /v2/models/{name}/infer, with bytes both ways. */
export function kserveRequest(model: ModelDescription, inputs: ForecastInputs): Buffer {
  const list = tensors(model, inputs);
  const head = Buffer.from(
    JSON.stringify({
      inputs: list.map(({ name, type, shape, values }) => ({
        name,
        datatype: type === 'float32' ? 'FP32' : 'INT32',
        shape,
        parameters: { binary_data_size: values.byteLength },
      })),
      outputs: [{ name: 'predictions', parameters: { binary_data: true } }],
    }),
  );
  return post(
    `/v2/models/${model.name}/infer`,
    Buffer.concat([head, ...list.map(({ values }) => bytesOf(values))]),
    {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': String(head.length),
    },
  );
}

/** POST /predict-binary of the FastAPI peer: the tensors one after another. */
export function bareRequest(model: ModelDescription, inputs: ForecastInputs): Buffer {
  const list = tensors(model, inputs);
  return post('/predict-binary', Buffer.concat(list.map(({ values }) => bytesOf(values))), {
    'content-type': 'application/octet-stream',
  });
}

/** Reads the predictions from any of the responses. @throws Error if a response is not a forecast. */
export function predictionsIn({ status, head, body }: Answer): Float32Array {
  if (status !== 200) throw new Error(`status ${status}: ${body.toString('utf8', 0, 300)}`);
  if (head.includes('application/json')) {
    const { predictions } = JSON.parse(body.toString()) as { predictions: number[][][] };
    return Float32Array.from(predictions.flat(2));
  }
  const skip = Number(/\r\ninference-header-content-length: *(\d+)/.exec(head)?.[1] ?? 0);
  return new Float32Array(new Uint8Array(body.subarray(skip)).buffer);
}

function bytesOf(values: Values): Buffer {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}

function nested(values: Values, [batch = 0, steps = 0, channels = 0]: readonly number[]): string {
  const text = (index: number) => shortest(values[index] as number);
  const list = (count: number, item: (index: number) => string) =>
    `[${Array.from({ length: count }, (_, index) => item(index)).join(',')}]`;
  return list(batch, (b) => list(steps, (s) => list(channels, (c) => text((b * steps + s) * channels + c))));
}

/** The shortest decimal of a float32, as a client has that did not compute in float32. */
function shortest(value: number): string {
  for (let digits = 6; digits < 9; digits++) {
    const text = String(Number(value.toPrecision(digits)));
    if (Math.fround(Number(text)) === value) return text;
  }
  return String(value);
}

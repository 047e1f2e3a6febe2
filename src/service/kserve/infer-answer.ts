// Writes the response to an inference request of the KServe v2 protocol: JSON, or JSON followed by bytes.
import type { Forecast } from '../../contract/forecast.js';
import type { FurtherOutput } from '../../contract/further-output.js';
import { wireTensor } from '../../kserve/wire.js';
import { writePredictions } from '../http/write-predictions.js';
import type { ServedModel } from '../model-host.js';
import type { InferQuestion } from './infer-request.js';

/** The body, and the length of its JSON if binary tensors follow. */
export interface InferAnswer {
  readonly bytes: Buffer;
  readonly header: number | undefined;
}

export async function answerInfer(
  forecast: Forecast,
  { id, outputs }: InferQuestion,
  { name, version, tensors }: ServedModel,
): Promise<InferAnswer> {
  const about = { model_name: name, model_version: version, ...(id === undefined ? {} : { id }) };
  const json: Buffer[] = [Buffer.from(`${JSON.stringify(about).slice(0, -1)},"outputs":[`)];
  const binary: Buffer[] = [];
  for (const [index, { spec, isBinary }] of outputs.entries()) {
    const { data } = spec === tensors.outputs[0] ? forecast : (forecast.outputs[spec.name] as FurtherOutput);
    const output = JSON.stringify(wireTensor(spec, forecast.shape[0])).slice(0, -1);
    const head = `${index === 0 ? '' : ','}${output}`;
    if (isBinary) {
      json.push(Buffer.from(`${head},"parameters":{"binary_data_size":${data.byteLength}}}`));
      binary.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    } else if (data instanceof Float32Array) {
      json.push(await writePredictions(`${head},"data":`, data, [data.length], '}'));
    } else {
      json.push(Buffer.from(`${head},"data":${JSON.stringify(Array.from(data))}}`));
    }
  }
  json.push(Buffer.from(']}'));
  const header = json.reduce((sum, { length }) => sum + length, 0);
  const isMixed = binary.length > 0;
  return { bytes: Buffer.concat([...json, ...binary]), header: isMixed ? header : undefined };
}

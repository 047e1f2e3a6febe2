// Writes the response to an inference request of the KServe v2 protocol: JSON, or JSON followed by bytes.
import type { Forecast } from '../../contract/forecast.js';
import type { TensorSpec } from '../../contract/tensors.js';
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
  { data, shape }: Forecast,
  { id, binaryOutput }: InferQuestion,
  { name, version, tensors }: ServedModel,
): Promise<InferAnswer> {
  const about = { model_name: name, model_version: version, ...(id === undefined ? {} : { id }) };
  const output = wireTensor(tensors.outputs[0] as TensorSpec, shape[0]);
  if (binaryOutput) {
    const parameters = { binary_data_size: data.byteLength };
    const header = Buffer.from(JSON.stringify({ ...about, outputs: [{ ...output, parameters }] }));
    const values = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    return { bytes: Buffer.concat([header, values]), header: header.length };
  }
  const head = `${JSON.stringify(about).slice(0, -1)},"outputs":[${JSON.stringify(output).slice(0, -1)},"data":`;
  return { bytes: await writePredictions(head, data, [data.length], '}]}'), header: undefined };
}

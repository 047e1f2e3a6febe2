// Checks that a bundle gives the same output here as where it was exported.
import { bundleFiles, verifyBundleFile } from './contract/model.js';
import { readSamples } from './contract/samples.js';
import { judge, type Verdict } from './contract/verdict.js';
import type { TFTEngine } from './engine.js';

/**
 * Compares the files of a bundle with their hashes, then runs its sample windows and compares the result with the output
 * that PyTorch gave for them.
 *
 * @param engine the bundle's, loaded.
 * @param label what to call the engine in the verdict; its backend and device by default.
 * @throws TFTError ERR_TFT_MODEL_INVALID for a bundle without samples, ERR_TFT_MODEL_HASH, and as `predict`.
 */
export async function verifyBundle(engine: TFTEngine, label?: string): Promise<Verdict> {
  const { model, info } = engine;
  for (const file of bundleFiles(model)) await verifyBundleFile(model, file);
  const samples = await readSamples(model);
  const { data } = await engine.predict(samples.inputs);
  const line = label ?? `${info.backend}, ${info.device}`;
  return judge(model, { line, precision: info.precision }, samples, data);
}

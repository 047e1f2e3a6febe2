// A calibration set on disk: one array for each input, as a bundle's samples have them, and calibration.json, which is
// written last and lists them with their hashes. tft-export variants reads it. It contains no server names and
// no times.
import { createHash } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { endianness } from 'node:os';
import { join } from 'node:path';
import { writeDurably } from '../contract/durable-file.js';
import { TFTError } from '../contract/errors.js';
import { valuesOf } from '../contract/inputs.js';
import type { ModelDescription } from '../contract/model.js';
import { inputTensors, type SizedModel, type TensorSpec, type Values } from '../contract/tensors.js';
import type { CalibrationReservoir } from './reservoir.js';

const DESCRIPTION = 'calibration.json';
/**
 * Writes a reservoir's windows to a folder, which is created if needed. A calibration set in it is replaced.
 *
 * @throws TFTError ERR_TFT_HISTORY_EMPTY if there is no window; ERR_TFT_FILE if the folder contains other files or cannot
 *   be written.
 */
export async function writeCalibrationSet(
  folder: string,
  reservoir: CalibrationReservoir,
  model: SizedModel & Pick<ModelDescription, 'name' | 'inputs'>,
): Promise<void> {
  if (reservoir.windows === 0) {
    throw new TFTError('ERR_TFT_HISTORY_EMPTY', 'there is no complete window for a calibration set');
  }
  const tensors = inputTensors(model);
  await makeRoom(folder, tensors.map(fileOf));
  const packed = reservoir.packed();
  const files: Record<string, { path: string; bytes: number; sha256: string }> = {};
  try {
    await rm(join(folder, DESCRIPTION), { force: true });
    for (const tensor of tensors) {
      const content = littleEndian(valuesOf(packed, tensor));
      const path = fileOf(tensor);
      await writeDurably(join(folder, path), content);
      files[tensor.name] = {
        path,
        bytes: content.length,
        sha256: createHash('sha256').update(content).digest('hex'),
      };
    }
    const description = {
      schemaVersion: 1,
      model: model.name,
      windows: reservoir.windows,
      seen: reservoir.seen,
      seed: reservoir.seed,
      created: new Date().toISOString(),
      inputs: model.inputs,
      files,
    };
    await writeDurably(join(folder, DESCRIPTION), `${JSON.stringify(description, null, 2)}\n`);
  } catch (cause) {
    throw cannotWrite(folder, cause);
  }
}

/** @param ours the files of a calibration set, except its description. */
async function makeRoom(folder: string, ours: readonly string[]): Promise<void> {
  let names: string[];
  try {
    await mkdir(folder, { recursive: true });
    names = await readdir(folder);
  } catch (cause) {
    throw cannotWrite(folder, cause);
  }
  if (names.length === 0 || names.includes(DESCRIPTION)) return;
  const foreign = names.find((name) => !ours.includes(name) && !name.startsWith('.tft-'));
  if (foreign === undefined) return;
  throw new TFTError(
    'ERR_TFT_FILE',
    `${folder} contains other files ('${foreign}') and is not a calibration set; name a new folder`,
  );
}

function fileOf({ name }: TensorSpec): string {
  return `${name}.bin`;
}

function littleEndian(array: Values): Buffer {
  const content = Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  return endianness() === 'LE' ? content : Buffer.from(content).swap32();
}

function cannotWrite(folder: string, cause: unknown): TFTError {
  return new TFTError('ERR_TFT_FILE', `${folder} cannot be written: ${(cause as Error).message}`, { cause });
}

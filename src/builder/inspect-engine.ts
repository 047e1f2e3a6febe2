// Inspects an engine: TensorRT's report on a plan, the layers that can be read out of it, and the plan's record.
import { resolve } from 'node:path';
import type { NativeEngineReport, NativeInspectOptions } from '../native/addon.js';
import { inspectEngine as inspectNatively } from '../native/inspect-plan.js';
import { type EngineRecord, readRecord, recordPathOf } from './engine-record.js';
import { sha256OfFile } from './file-hash.js';
import { type Layer, readLayers } from './layers.js';

/** The result of inspecting an engine. */
export interface EngineReport extends Omit<NativeEngineReport, 'layers'> {
  /** The plan's record; undefined if there is none. */
  readonly record: EngineRecord | undefined;
  readonly layers: readonly Layer[];
  /** The JSON text of TensorRT's inspector. */
  readonly inspector: string;
}

/**
 * Opens a plan with this machine's TensorRT, and reports on it.
 *
 * @throws TFTError as loading the plan does.
 */
export async function inspectEngine(plan: string, options: NativeInspectOptions = {}): Promise<EngineReport> {
  const path = resolve(plan);
  const record = await readPlanRecord(path);
  const rtx = record?.key.rtx !== undefined;
  const { layers: inspector, ...report } = await inspectNatively(path, { ...options, rtx });
  return { ...report, record, layers: readLayers(inspector), inspector };
}

/** The record beside a plan or in the cache, if it is of this plan. It is there without TensorRT and without a GPU. */
export async function readPlanRecord(plan: string): Promise<EngineRecord | undefined> {
  for (const path of [recordPathOf(plan), plan.replace(/\.engine$/, '.json')]) {
    const record = await readRecord(path);
    if (typeof record === 'object' && record.plan.sha256 === (await sha256OfFile(plan))) return record;
  }
  return undefined;
}

// Reads the layers out of the JSON of TensorRT's engine inspector, whose keys differ between versions.
import { z } from 'zod';

const tensorSchema = z.looseObject({
  Name: z.string().optional(),
  Dimensions: z.array(z.number()).optional(),
  'Format/Datatype': z.string().optional(),
  Datatype: z.string().optional(),
  Format: z.string().optional(),
});

const layerSchema = z.union([
  z.string(),
  z.looseObject({
    Name: z.string().optional(),
    LayerType: z.string().optional(),
    Outputs: z.array(tensorSchema).optional(),
  }),
]);

const reportSchema = z.looseObject({ Layers: z.array(layerSchema).optional() });

/** A layer of an engine. */
export interface Layer {
  readonly name: string;
  /** TensorRT's kind of layer; empty if the plan was built without details. */
  readonly type: string;
  /** The type of its output: 'fp32', 'fp16', 'int8' …; empty if the inspector does not say. */
  readonly precision: string;
  /** '8x96x7' */
  readonly shape: string;
}

const LAYER_TYPES: readonly [RegExp, string][] = [
  [/int8|\bi8\b/i, 'int8'],
  [/fp8/i, 'fp8'],
  [/bf16|bfloat/i, 'bf16'],
  [/fp16|half|float16/i, 'fp16'],
  [/fp32|float/i, 'fp32'],
  [/int64/i, 'int64'],
  [/int32/i, 'int32'],
  [/bool/i, 'bool'],
];

/** @returns an empty list if the text cannot be read. */
export function readLayers(inspector: string): Layer[] {
  let json: unknown;
  try {
    json = JSON.parse(inspector);
  } catch {
    return [];
  }
  const report = reportSchema.safeParse(json);
  return (report.data?.Layers ?? []).map((layer) => {
    if (typeof layer === 'string') return { name: layer, type: '', precision: '', shape: '' };
    const [output] = layer.Outputs ?? [];
    const format = output?.['Format/Datatype'] ?? output?.Datatype ?? output?.Format ?? '';
    return {
      name: layer.Name ?? '',
      type: layer.LayerType ?? '',
      precision: LAYER_TYPES.find(([pattern]) => pattern.test(format))?.[1] ?? '',
      shape: (output?.Dimensions ?? []).join('x'),
    };
  });
}

/** The number of layers of each kind, the most frequent kind first. */
export function countLayers(layers: readonly Layer[], by: 'type' | 'precision'): [string, number][] {
  const counts = new Map<string, number>();
  for (const layer of layers)
    counts.set(layer[by] || 'unknown', (counts.get(layer[by] || 'unknown') ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

// The GPUs that TensorRT for RTX builds for: by compute capability, and by the names of cards.

import { TFTError } from '../contract/errors.js';

/** The compute capabilities that TensorRT for RTX 1.7 builds for, as 89 for 8.9. */
const RTX_TARGETS = [75, 80, 86, 89, 120, 121] as const;

/** NVIDIA's generations of cards: https://developer.nvidia.com/cuda-gpus. */
const CARDS: readonly [RegExp, number][] = [
  [/^(rtx20[678]0|gtx16[56]0|t4)(ti|super)*$/, 75],
  [/^a(100|30)$/, 80],
  [/^(rtx30[5-9]0(ti)?|rtxa[2-6]000|a10|a16|a40)$/, 86],
  [/^(rtx40[5-9]0(ti|super|d)*|rtx[456]000ada|l4|l40s?)$/, 89],
  [/^(rtx50[5-9]0(ti|d)*|rtxpro[456]000)$/, 120],
  [/^(gb10|dgxspark)$/, 121],
];

/**
 * The compute capabilities of targets, sorted, each once.
 *
 * @param targets 'rtx4090', 'sm89' or '8.9'; capitals, spaces and hyphens do not matter.
 * @throws TFTError ERR_TFT_OPTION for one that is not known.
 */
export function computeCapabilities(targets: readonly string[]): number[] {
  return [...new Set(targets.map(computeCapability))].sort((a, b) => a - b);
}

function computeCapability(target: string): number {
  const name = target.toLowerCase().replace(/[\s_-]|geforce|nvidia/g, '');
  const [, digits] = /^(?:sm)?(\d+(?:\.\d)?)$/.exec(name) ?? [];
  const number = digits === undefined ? undefined : Number(digits.replace('.', ''));
  const found = number ?? CARDS.find(([pattern]) => pattern.test(name))?.[1];
  if (found !== undefined && (RTX_TARGETS as readonly number[]).includes(found)) return found;
  const known = RTX_TARGETS.map((capability) => `sm${capability}`).join(', ');
  throw new TFTError(
    'ERR_TFT_OPTION',
    `targets: '${target}' is not known; expected ${known}, or a card such as rtx4090`,
  );
}

/** 89 as 8.9. */
export function formatCapability(capability: number): string {
  return `${Math.floor(capability / 10)}.${capability % 10}`;
}

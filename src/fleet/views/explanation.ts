// What a server's forecast rests on, as GET /explain/{server} and the page have it: named variables, and attention by the hour.
import { binAttention, type Explanation, type VariableWeight } from '../../contract/explanation.js';
import type { Explanation as ExplanationView } from '../api.js';
import type { Fleet } from '../fleet.js';
import { isoTime } from './outlooks.js';

/** The largest number of bins that the past is shown in. */
const BINS = 24;

/** @returns null without a forecast, and of a model that does not explain. @throws TFTError as Explainer.explain. */
export async function explanationOf(fleet: Fleet, place: number): Promise<ExplanationView | null> {
  const explained = await fleet.explainer.explain(place);
  if (explained === undefined) return null;
  const { explanation, step } = explained;
  const { stepMinutes } = fleet.model;
  const steps = explanation.attention[0]?.weights.length ?? 0;
  const size = Math.max(1, Math.ceil(steps / BINS));
  const binned = (weights: Float32Array) => binAttention(weights, size).map(share);
  const named = (weights: readonly VariableWeight[]) =>
    weights.map(({ name, label, weight }) => ({ name, label, weight: share(weight) }));
  const past = binned(explanation.past);
  return {
    at: isoTime(step * fleet.stepMs),
    variables: named(explanation.encoder),
    ahead: named(explanation.decoder),
    statics: named(explanation.static),
    attention: past.map((weight, bin) => ({
      at: isoTime((step + 1 - (past.length - bin) * size) * fleet.stepMs),
      weight,
    })),
    attentionMinutes: size * stepMinutes,
    parts: partsOf(explanation, stepMinutes, binned),
  };
}

function partsOf(
  { attention }: Explanation,
  stepMinutes: number,
  binned: (weights: Float32Array) => number[],
): ExplanationView['parts'] {
  return attention.map(({ from, to, weights }) => ({
    fromMinutes: from * stepMinutes,
    toMinutes: to * stepMinutes,
    weights: binned(weights),
  }));
}

/** Why a server has no explanation. */
export function whyUnexplained(
  fleet: Fleet,
  place: number,
  model: { readonly explanation?: unknown } | undefined,
): string {
  if (fleet.latest.get(place) === undefined) return 'the server has no forecast';
  return model?.explanation === undefined
    ? "the model has no graph that explains; 'tft-export explain' adds it"
    : 'the daemon was started without --explain';
}

/** A share, to four decimals. */
function share(weight: number): number {
  return Math.round(weight * 10_000) / 10_000;
}

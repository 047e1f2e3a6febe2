// The progress of a build as one share of the whole, computed from TensorRT's nested phases.
import type { NativeBuildProgress } from '../native/addon.js';

/** The progress of a build. */
export interface BuildProgress {
  /** 'waiting' for another process or thread that builds the same engine; 'building'; 'saving' the result. */
  readonly stage: 'waiting' | 'building' | 'saving';
  /** TensorRT's name of the innermost phase; or while waiting, the process that builds. */
  readonly phase: string;
  /** The share of the whole build that is done, 0 to 1. It never decreases. */
  readonly share: number;
}

/** The core's name of the phase before TensorRT's own. It is short. */
const PARSING = 'Parsing the ONNX file';
const PARSING_SHARE = 0.02;

/** Receives the progress of a build. */
export type OnBuildProgress = (progress: BuildProgress) => void;

interface Phase {
  readonly parent: string;
  readonly share: number;
  readonly steps: number;
}

/** Follows TensorRT's phases. All steps of a phase count the same, since TensorRT does not report their durations. */
export class PhaseTree {
  readonly #phases = new Map<string, Phase>();
  #share = 0;

  /** @returns the progress after this step. */
  take({ phase, parent, done, steps }: NativeBuildProgress): BuildProgress {
    const share = steps > 0 ? Math.min(1, done / steps) : 1;
    this.#phases.set(phase, { parent, share, steps });
    // The phases within this one belong to steps that are done.
    for (const [name, { parent: other }] of this.#phases) if (other === phase) this.#phases.delete(name);
    const whole = this.#whole(phase);
    const of = phase === PARSING ? whole * PARSING_SHARE : PARSING_SHARE + whole * (1 - PARSING_SHARE);
    this.#share = Math.max(this.#share, of);
    return { stage: 'building', phase, share: this.#share };
  }

  /** The share of the outermost phase. Each inner phase contributes its share of one step of its parent. */
  #whole(innermost: string): number {
    let share = 0;
    let phase = this.#phases.get(innermost);
    // TensorRT's threads report in any order, so the parents could form a circle: the depth is limited.
    for (let depth = 0; phase !== undefined && depth < 16; depth++) {
      share = Math.min(1, phase.share + share / Math.max(1, phase.steps));
      phase = phase.parent === '' ? undefined : this.#phases.get(phase.parent);
    }
    return share;
  }
}

// Progress of a build as one share of the whole, out of TensorRT's phases that lie in one another.
import type { NativeBuildProgress } from '../native/addon.js';

/** How far a build is. */
export interface BuildProgress {
  /** 'waiting' for another process or thread that builds the same engine; 'building'; 'saving' the result. */
  readonly stage: 'waiting' | 'building' | 'saving';
  /** TensorRT's own name of what it does, the innermost; or who is waited for. */
  readonly phase: string;
  /** Of the whole build, 0 to 1; it never falls. */
  readonly share: number;
}

/** The phase before TensorRT's own (cpp/tensorrt/builder.cpp); it takes a moment. */
const PARSING = 'Parsing the ONNX file';
const PARSING_SHARE = 0.02;

/** Receives the progress of a build. */
export type OnBuildProgress = (progress: BuildProgress) => void;

interface Phase {
  readonly parent: string;
  readonly share: number;
  readonly steps: number;
}

/** Follows TensorRT's phases. A phase's step is as much of it as any other: TensorRT does not say more. */
export class PhaseTree {
  readonly #phases = new Map<string, Phase>();
  #share = 0;

  /** @returns how far the build is after this step. */
  take({ phase, parent, done, steps }: NativeBuildProgress): BuildProgress {
    const share = steps > 0 ? Math.min(1, done / steps) : 1;
    this.#phases.set(phase, { parent, share, steps });
    // What lay within this phase belongs to steps that are done.
    for (const [name, { parent: other }] of this.#phases) if (other === phase) this.#phases.delete(name);
    const whole = this.#whole(phase);
    const of = phase === PARSING ? whole * PARSING_SHARE : PARSING_SHARE + whole * (1 - PARSING_SHARE);
    this.#share = Math.max(this.#share, of);
    return { stage: 'building', phase, share: this.#share };
  }

  /** Of the outermost phase, seen from an inner one: each adds its share of one step of its parent. */
  #whole(innermost: string): number {
    let share = 0;
    let phase = this.#phases.get(innermost);
    // Names may come in any order from TensorRT's threads; a circle must not catch us.
    for (let depth = 0; phase !== undefined && depth < 16; depth++) {
      share = Math.min(1, phase.share + share / Math.max(1, phase.steps));
      phase = phase.parent === '' ? undefined : this.#phases.get(phase.parent);
    }
    return share;
  }
}

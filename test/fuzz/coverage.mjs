// Which branches of lib/ an input runs that none before it did, with counts in powers of two, as AFL has them.
// instrument.mjs makes the branches count.
import { register } from 'node:module';
import { PLACES } from './instrument.mjs';

const counts = new Uint32Array(PLACES);

/** To be called before lib/ is imported. */
export function instrumentLib() {
  globalThis.__covered = counts;
  register('./instrument.mjs', import.meta.url);
}

export class Coverage {
  /** A bit for each power of two that a branch's count has had. */
  #seen = new Uint32Array(PLACES);
  branches = 0;

  /** Forgets what ran since the last look, which was not the input's. */
  forget() {
    counts.fill(0);
  }

  /** @returns whether a branch ran for the first time, or so often for the first time. */
  look() {
    let isNew = false;
    for (let place = 0; place < PLACES; place++) {
      const count = counts[place];
      if (count === 0) continue;
      const bit = 1 << Math.min(8, 31 - Math.clz32(count));
      if (this.#seen[place] & bit) continue;
      if (this.#seen[place] === 0) this.branches++;
      this.#seen[place] |= bit;
      isNew = true;
    }
    return isNew;
  }
}

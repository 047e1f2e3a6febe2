// Fuzzing of what reads bytes from elsewhere. A target reads an input and either returns, or throws what its callers
// expect; anything else is a finding, and so is an input that takes long. scripts/fuzz runs it guided by coverage and
// keeps what runs something new; a test reads the kept inputs again and changes them a little.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { randomOf } from '../fixtures/simulation/random.mjs';
import { Coverage } from './coverage.mjs';
import { mutated } from './mutate.mjs';

const CORPUS = fileURLToPath(new URL('corpus', import.meta.url));
/** Of a processor's time. An input of 4 kB that takes so long would take minutes at the size of a real file. */
const MAX_MS = 2000;
/** Kept small: what is worth reading again in every run of the tests. */
const MAX_KEPT = 40;
const MAX_KEPT_BYTES = 1024;

export function keptCorpus(target) {
  const folder = join(CORPUS, target.name);
  mkdirSync(folder, { recursive: true });
  return readdirSync(folder)
    .sort()
    .map((name) => readFileSync(join(folder, name)));
}

/** @throws Error with the input, if the target threw an unexpected error. */
export async function tryInput(target, bytes) {
  const begin = process.cpuUsage();
  try {
    // A copy that has its memory to itself, so that reading beyond its end would show.
    await target.run(Buffer.from(new Uint8Array(bytes).buffer));
  } catch (cause) {
    const input = bytes.toString('base64');
    throw new Error(`${target.name} failed on the input (base64) ${input}: ${cause?.stack ?? cause}`, {
      cause,
    });
  }
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1000;
}

/** Changes of the corpus without a guide: quick, and the same for the same seed. */
export async function fuzzBlindly(target, { seed, runs }) {
  const random = randomOf(seed);
  const corpus = [...target.seeds(), ...keptCorpus(target)];
  for (const bytes of corpus) await tryInput(target, bytes);
  for (let run = 0; run < runs; run++) {
    await tryInput(target, mutated(random, random.pick(corpus), corpus, target.words));
  }
}

/** @returns figures; what ran something new is in the corpus's folder. */
export async function fuzzGuided(target, { seed, seconds, tell = () => {} }) {
  const random = randomOf(seed);
  const coverage = new Coverage();
  const corpus = [];
  let [runs, longest] = [0, 0];
  const offer = async (bytes) => {
    runs++;
    coverage.forget();
    const milliseconds = await tryInput(target, bytes);
    longest = Math.max(longest, milliseconds);
    if (milliseconds > MAX_MS)
      throw new Error(`${target.name} took ${milliseconds} ms for ${bytes.toString('base64')}`);
    if (coverage.look()) corpus.push(bytes);
  };
  for (const bytes of [...target.seeds(), ...keptCorpus(target)]) await offer(bytes);
  const known = corpus.length;
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    // What was found last is half of what is tried.
    const recent = corpus.at(-1 - random.below(Math.min(8, corpus.length)));
    const parent = random.next() < 0.5 ? recent : random.pick(corpus);
    await offer(mutated(random, parent, corpus, target.words));
    if (runs % 5000 === 0)
      tell(`${target.name}: ${runs} runs, ${corpus.length} inputs, ${coverage.branches} branches`);
  }
  keep(target, corpus.slice(known));
  const figures = { runs, inputs: corpus.length, branches: coverage.branches };
  return { target: target.name, ...figures, maxMs: Math.round(longest) };
}

function keep(target, found) {
  const room = MAX_KEPT - keptCorpus(target).length;
  const small = found.filter(({ length }) => length <= MAX_KEPT_BYTES);
  for (const bytes of small.slice(0, Math.max(0, room))) {
    const name = createHash('sha256').update(bytes).digest('hex').slice(0, 12);
    writeFileSync(join(CORPUS, target.name, name), bytes);
  }
}

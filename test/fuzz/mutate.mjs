// Changes bytes as damage, foreign programs and attackers do.

/** What parsers trip over, besides each target's own words. */
const ODD = [
  '0',
  '-1',
  '1e309',
  '1e-400',
  '4294967296',
  '9007199254740993',
  '"',
  '\\',
  '\0',
  '\u{1F600}',
  '\uFEFF',
];
const MAX_BYTES = 4096;

/** One to eight changes of a copy of `bytes`. @param others entries of the corpus, to take parts of. */
export function mutated(random, bytes, others, words) {
  let changed = Buffer.from(bytes);
  for (let count = 1 + random.below(8); count > 0; count--) {
    changed = random.pick(CHANGES)(random, changed, { others, words: [...words, ...ODD] });
  }
  return changed.subarray(0, MAX_BYTES);
}

const insert = (bytes, at, part) => Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at)]);
const range = (random, { length }) => {
  const from = random.below(length + 1);
  return [from, Math.min(length, from + 1 + random.below(random.pick([2, 8, 64])))];
};

const CHANGES = [
  (random, bytes) => {
    if (bytes.length > 0) bytes[random.below(bytes.length)] ^= 1 << random.below(8);
    return bytes;
  },
  (random, bytes) => {
    if (bytes.length > 0)
      bytes[random.below(bytes.length)] = random.pick([0, 0x7f, 0x80, 0xff, random.below(256)]);
    return bytes;
  },
  (random, bytes) => {
    const [from, to] = range(random, bytes);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  },
  (random, bytes) => {
    const [from, to] = range(random, bytes);
    const times = random.pick([1, 1, 2, 20]);
    return insert(bytes, to, Buffer.concat(new Array(times).fill(bytes.subarray(from, to))));
  },
  (random, bytes, { words }) =>
    insert(bytes, random.below(bytes.length + 1), Buffer.from(random.pick(words))),
  (random, bytes, { words }) => {
    const [from, to] = range(random, bytes);
    return Buffer.concat([bytes.subarray(0, from), Buffer.from(random.pick(words)), bytes.subarray(to)]);
  },
  (random, bytes, { others }) => {
    const other = random.pick(others);
    const [from, to] = range(random, other);
    return insert(bytes, random.below(bytes.length + 1), other.subarray(from, to));
  },
  (random, bytes) => bytes.subarray(0, random.below(bytes.length + 1)),
];

// Suggests a known name for an unknown one.

/** Names that differ in more letters count as different words. */
const MAX_CHANGES = 2;

/** One of `known` that contains the word or is contained in it, else the nearest by its letters; undefined if none is near. */
export function likelyName(word: string, known: readonly string[]): string | undefined {
  const written = word.toLowerCase();
  const within = known.find(
    (name) => written.length > 2 && (name.includes(written) || written.includes(name)),
  );
  if (within !== undefined) return within;
  let best: string | undefined;
  let fewest = MAX_CHANGES + 1;
  for (const name of known) {
    const changes = distance(written, name);
    if (changes < fewest) [best, fewest] = [name, changes];
  }
  return best;
}

/** Levenshtein's distance: the number of letters to insert, remove or replace. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

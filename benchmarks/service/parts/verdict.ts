// What a robustness run found: each thing expected of the service, said as it is seen; the process fails at the end
// when any was not so.

/** Collects what was seen. */
export class Verdict {
  readonly #seen: { readonly what: string; readonly holds: boolean }[] = [];

  /** Notes whether something expected holds, with the figures that show it. */
  expect(holds: boolean, what: string): void {
    this.#seen.push({ what, holds });
    console.log(`${holds ? 'ok    ' : 'FAILED'} ${what}`);
  }

  /** All of it, for the report; sets the exit status. */
  end(): readonly { readonly what: string; readonly holds: boolean }[] {
    if (this.#seen.some(({ holds }) => !holds)) process.exitCode = 1;
    return this.#seen;
  }
}

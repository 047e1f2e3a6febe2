// The results of a robustness run: prints each expectation with its result, and fails the process at the end if one was not
// met.

/** Collects the results. */
export class Verdict {
  readonly #seen: { readonly what: string; readonly holds: boolean }[] = [];

  /** Records whether an expectation holds; `what` states it with its figures. */
  expect(holds: boolean, what: string): void {
    this.#seen.push({ what, holds });
    console.log(`${holds ? 'ok    ' : 'FAILED'} ${what}`);
  }

  /** All results, for the report; sets the exit status. */
  end(): readonly { readonly what: string; readonly holds: boolean }[] {
    if (this.#seen.some(({ holds }) => !holds)) process.exitCode = 1;
    return this.#seen;
  }
}

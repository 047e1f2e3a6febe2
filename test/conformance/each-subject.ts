// Runs tests on every subject that can run here, and says which cannot.
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { TFTError } from '../../src/index.js';
import { type Started, type Subject, subjects } from './subjects.js';

/** @param define declares the tests of a subject; `load` loads one of its models in them. */
export function eachSubject(define: (subject: Subject, load: Started['load']) => void): void {
  for (const subject of subjects) {
    const { name, missing } = subject;
    if (missing) console.warn(`conformance: '${name}' is skipped: ${missing}`);
    describe.skipIf(missing)(name, () => {
      let started: Started;
      beforeAll(async () => {
        started = await subject.start();
      });
      afterAll(() => started?.stop());
      define(subject, (model, options) => started.load(model, options));
    });
  }
}

/** Calls at once. @returns what that fails with, by throwing or by rejecting: a TFTError. */
export async function failureOf(call: () => unknown): Promise<TFTError> {
  let error: unknown;
  try {
    await call();
  } catch (reason) {
    error = reason;
  }
  expect(error).toBeInstanceOf(TFTError);
  return error as TFTError;
}

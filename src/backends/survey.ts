// Surveys the libraries that backends need: which of them are on this machine, and why others are missing.
import type { TFTError } from '../contract/errors.js';
import type { LibraryReport, NativeLibTorch } from '../native/addon.js';
import { driverVersion } from '../native/driver-version.js';
import { fromNative } from '../native/errors.js';
import { findAddon, loadAddon } from '../native/load-addon.js';
import { isLibTorchAtHand, openLibTorch } from './libtorch/backend.js';
import { findOnnxRuntime, type OnnxRuntimeLibrary } from './onnxruntime/library.js';

/** The libraries found. An error takes the place of a missing library. */
export interface LibrarySurvey {
  readonly onnxRuntime: OnnxRuntimeLibrary | TFTError;
  /** The file of the native addon. */
  readonly addon: string | TFTError;
  /** The library that runs LibTorch; undefined if none is named and none is built. */
  readonly libTorch: NativeLibTorch | TFTError | undefined;
  /** NVIDIA's libraries and GPUs; undefined if the native addon, which looks for them, does not load. */
  readonly nvidia: (LibraryReport & { readonly driverVersion: string | undefined }) | undefined;
}

/** Looks for all libraries. One that is missing is a result, not an error. */
export async function surveyLibraries(): Promise<LibrarySurvey> {
  const onnxRuntime = foundOrWhyNot(findOnnxRuntime);
  const addon = foundOrWhyNot(() => {
    loadAddon();
    return findAddon();
  });
  const report =
    typeof addon === 'string'
      ? await loadAddon()
          .loadLibraries({ survey: true })
          .catch((error: unknown) => {
            throw fromNative(error);
          })
      : undefined;
  const libTorch = isLibTorchAtHand()
    ? await openLibTorch().catch((error: unknown) =>
        foundOrWhyNot<NativeLibTorch>(() => {
          throw error;
        }),
      )
    : undefined;
  return { onnxRuntime, addon, libTorch, nvidia: report && { ...report, driverVersion: driverVersion() } };
}

function foundOrWhyNot<T>(find: () => T): T | TFTError {
  try {
    return find();
  } catch (error) {
    if (error instanceof Error && 'code' in error) return error as TFTError;
    throw error;
  }
}

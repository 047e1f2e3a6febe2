// The exports of 'tft-tensorrt/build': building TensorRT engines, maintaining their cache, and inspecting, measuring and
// verifying engines and bundles.
export type { OnnxRuntimeLibrary } from '../backends/onnxruntime/library.js';
export { type LibrarySurvey, surveyLibraries } from '../backends/survey.js';
export {
  type BuildEngineOptions,
  type BuiltEngine,
  buildEngine,
  writePlan,
} from '../builder/build-engine.js';
export {
  type BuildOptions,
  type CompleteBuildOptions,
  completeBuildOptions,
  type Profile,
} from '../builder/build-options.js';
export { type BuildTarget, findTarget } from '../builder/build-target.js';
export { type BuildableModel, readBuildable } from '../builder/buildable-model.js';
export { engineFolder } from '../builder/cache-folder.js';
export {
  type CacheEntry,
  listCache,
  type PruneOptions,
  type PruneResult,
  pruneCache,
} from '../builder/cache-upkeep.js';
export type { EngineKey, EngineRecord } from '../builder/engine-record.js';
export type { EngineRequest } from '../builder/engine-request.js';
export { type BundleEvaluation, type BundleReport, inspectBundle } from '../builder/inspect-bundle.js';
export { type EngineReport, inspectEngine, readPlanRecord } from '../builder/inspect-engine.js';
export { countLayers, type Layer } from '../builder/layers.js';
export {
  type EngineMeasurement,
  type MeasuredRun,
  measureEngine,
} from '../builder/measure-engine.js';
export { type ObtainedEngine, type ObtainOptions, obtainEngine } from '../builder/obtain-engine.js';
export { precisionOfOnnx } from '../builder/onnx-source.js';
export type { BatchCheck } from '../builder/plan-check.js';
export type { BuildProgress, OnBuildProgress } from '../builder/progress.js';
export {
  type TritonRepository,
  type TritonRepositoryOptions,
  writeTritonRepository,
} from '../builder/triton-repository.js';
export { type Located, locate } from '../contract/locate.js';
export { type BundleSamples, readSamples } from '../contract/samples.js';
export type { QuantileDifference, Share, ShareGoal, Verdict } from '../contract/verdict.js';
export { INSTANCE_KINDS, type InstanceKind } from '../kserve/triton-config.js';
export type {
  LibraryAttempt,
  LibraryReport,
  NativeDevice,
  NativeInspectOptions,
  NativeKernels,
  NativeLibraryOptions,
  NativeLibTorch,
  NativeMeasureOptions,
  NativeProfile,
} from '../native/addon.js';
export { type PlanVerdict, type VerifyPlanOptions, verifyBundle, verifyPlan } from '../verify.js';

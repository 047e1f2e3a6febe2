// Builds a TensorRT plan from an ONNX file with TensorRT's own parser and builder: on the GPU that is to run
// it, or by TensorRT for RTX, without a GPU, for named kinds of them.
//
// Neither CUDA nor TensorRT shows here. A build takes seconds to minutes and blocks the thread that it is
// called on; it is called off from another one through `BuildOptions::stop`.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "tft/loader.h"
#include "tft/log.h"
#include "tft/model_shape.h"
#include "tft/result.h"

namespace tft {

/// The batches of one optimisation profile: the smallest, the one that is timed, the largest.
struct BatchRange {
  int min = 1, opt = 8, max = 32;
};

/// Which GPUs the plan runs on beside the kind that it is built on.
enum class HardwareCompatibility { NONE, AMPERE_PLUS, SAME_COMPUTE_CAPABILITY };

/// A step of one of TensorRT's phases, which lie in one another. The last one of a phase has done = steps.
struct BuildProgress {
  std::string phase;
  std::string parent;  // the phase that this one is part of; empty if of none
  int done = 0;
  int steps = 0;
};

struct BuildOptions {
  LoaderOptions libraries;
  int device = 0;  // CUDA's number
  /// Compute capabilities (89 for 8.9) of the GPUs that the plan is for. With any, TensorRT for RTX builds it,
  /// and neither a GPU nor CUDA is asked for; `device` then means nothing.
  std::vector<int> targets;
  std::vector<BatchRange> profiles = {BatchRange{}};
  /// The types stand in the ONNX file and are kept. False, `fp16` and `int8` are TensorRT 10's older way, in
  /// which the builder chooses: it says nothing about accuracy, and 11 has it no more.
  bool strongly_typed = true;
  bool fp16 = false;
  bool int8 = false;
  bool tf32 = false;  // whether FP32 may be computed with 10 bits of mantissa
  std::size_t workspace_bytes = std::size_t{4} << 30;
  int optimization_level = 3;  // 0 to 5
  /// Runs on later versions of the same major one, and on the lean runtime. The plan carries that runtime,
  /// which is code for the host (EngineOptions::allow_host_code), unless it is left out: then only the lean
  /// runtime of the version that built it runs the plan.
  bool version_compatible = false;
  bool exclude_lean_runtime = false;
  HardwareCompatibility hardware_compatibility = HardwareCompatibility::NONE;
  bool refittable = false;
  bool detailed_layers = true;  // kept in the plan for inspect_engine
  /// Hands the recurrence and the other parts that the library has kernels for to them (cpp/plugins). What no
  /// kernel takes stays with TensorRT's layers, and the log says why.
  bool kernels = true;
  /// From an earlier build. One that TensorRT does not take is left aside, and the log says so.
  std::vector<std::byte> timing_cache;
  std::vector<std::string> plugins;  // libraries, loaded before the file is parsed
  std::stop_token stop;
  /// Called on any thread, never on two at once, while `build_plan` runs. Must not throw.
  std::function<void(const BuildProgress& progress)> progress;
  Log log;  // the same
};

/// A layer of the network that the parser made, before the builder fused any.
struct NetworkLayer {
  std::string name;
  std::string type;  // of its first output: "float32", "float16", …
};

struct BuiltPlan {
  std::vector<std::byte> plan;
  std::vector<std::byte> timing_cache;
  std::vector<std::string> fused;  // the parts that the library's own kernels run; the plan needs them
  /// For named targets only: a plan for GPUs that are elsewhere cannot be opened and inspected.
  std::vector<NetworkLayer> network;
};

/// The kernels that a build of this library has. A plan that needs them runs with those of the same version;
/// the hash tells any two images apart, so that no plan that was timed with one is kept for another.
struct Kernels {
  std::string version;
  std::string hash;  // SHA-256, in hexadecimal
};

/// Nothing in a build that was made without nvcc.
std::optional<Kernels> kernels();

/// Builds. `shape` is held against the parsed network before the builder starts.
///
/// Errors: those of the libraries; TENSORRT_NOT_FOUND where only the lean runtime is there, or no parser;
/// OPTION; UNSUPPORTED for what the TensorRT at hand does not have; BUILD with the parser's errors (node,
/// operator, reason) or the builder's own words; PLAN_MISMATCH; OUT_OF_MEMORY; ABORTED.
Result<BuiltPlan> build_plan(const std::string& onnx, const ModelShape& shape,
                             const BuildOptions& options = {});

}  // namespace tft

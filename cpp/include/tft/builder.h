// Builds a TensorRT plan from an ONNX file with TensorRT's parser and builder: on the GPU that will run it
// or, with TensorRT for RTX, without a GPU for named kinds of GPUs.
//
// This header includes neither CUDA nor TensorRT. A build takes seconds to minutes and blocks the calling
// thread; another thread can stop it through `BuildOptions::stop`.
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

/// The batch sizes of one optimisation profile: the smallest, the one that TensorRT tunes for, the largest.
struct BatchRange {
  int min = 1, opt = 8, max = 32;
};

/// The GPUs that the plan runs on, besides the model that it is built on.
enum class HardwareCompatibility { NONE, AMPERE_PLUS, SAME_COMPUTE_CAPABILITY };

/// A step of one of TensorRT's nested build phases. The last step of a phase has done = steps.
struct BuildProgress {
  std::string phase;
  std::string parent;  // the enclosing phase; empty if there is none
  int done = 0;
  int steps = 0;
};

struct BuildOptions {
  LoaderOptions libraries;
  int device = 0;  // CUDA's number
  /// Compute capabilities (89 for 8.9) of the GPUs that the plan is for. If there are any, TensorRT for RTX
  /// builds it without a GPU and without CUDA, and `device` is ignored.
  std::vector<int> targets;
  std::vector<BatchRange> profiles = {BatchRange{}};
  /// Keeps the types of the ONNX file. `false`, with `fp16` and `int8`, is TensorRT 10's older weak typing:
  /// the builder chooses the types, without regard to accuracy. TensorRT 11 has removed it.
  bool strongly_typed = true;
  bool fp16 = false;
  bool int8 = false;
  bool tf32 = false;  // FP32 may be computed with 10 bits of mantissa
  std::size_t workspace_bytes = std::size_t{4} << 30;
  int optimization_level = 3;  // 0 to 5
  /// The plan runs on later versions of the same major version, and on the lean runtime. It contains that
  /// runtime, which is host code (EngineOptions::allow_host_code), unless `exclude_lean_runtime` is set: then
  /// only the lean runtime of the version that built the plan runs it.
  bool version_compatible = false;
  bool exclude_lean_runtime = false;
  HardwareCompatibility hardware_compatibility = HardwareCompatibility::NONE;
  bool refittable = false;
  bool detailed_layers = true;  // kept in the plan for inspect_engine
  /// Runs the recurrence and the other supported parts on the library's kernels (cpp/plugins). Parts that no
  /// kernel supports stay TensorRT layers, and the log says why.
  bool kernels = true;
  /// The timing cache of an earlier build. If TensorRT refuses it, the build goes on without it and logs
  /// that.
  std::vector<std::byte> timing_cache;
  std::vector<std::string> plugins;  // libraries, loaded before the file is parsed
  std::stop_token stop;
  /// Called on any thread, never on two at once, while `build_plan` runs. Must not throw.
  std::function<void(const BuildProgress& progress)> progress;
  Log log;  // likewise
};

/// A layer of the parsed network, before the builder fuses layers.
struct NetworkLayer {
  std::string name;
  std::string type;  // of its first output: "float32", "float16", …
};

/// One tensor as a plan declares it, with all dimensions; a variable one is -1.
struct PlanTensor {
  std::string name;
  bool input = false;
  std::string type;  // "float32", "int32", "float16" …
  std::vector<std::int64_t> shape;
};

struct BuiltPlan {
  std::vector<std::byte> plan;
  std::vector<std::byte> timing_cache;
  std::vector<std::string> fused;  // the parts that run on the library's kernels; the plan needs these
  /// For named targets only, because a plan for GPUs elsewhere cannot be opened and inspected here.
  std::vector<NetworkLayer> network;
  std::vector<PlanTensor> tensors;
};

/// The kernels in this build of the library. A plan that needs kernels runs with those of the same version.
/// The hash differs between any two images, so that a cached plan is used only with the image that it was
/// timed with.
struct Kernels {
  std::string version;
  std::string hash;  // SHA-256, in hexadecimal
};

/// Empty if the library was built without nvcc.
std::optional<Kernels> kernels();

/// Builds a plan. The parsed network is compared with `shape` before the builder starts.
///
/// Errors: those of the libraries; TENSORRT_NOT_FOUND if only the lean runtime is installed, or no parser;
/// OPTION; UNSUPPORTED if the installed TensorRT does not offer an option; BUILD with the parser's errors
/// (node, operator, reason) or the builder's message; PLAN_MISMATCH; OUT_OF_MEMORY; ABORTED.
Result<BuiltPlan> build_plan(const std::string& onnx, const ModelShape& shape,
                             const BuildOptions& options = {});

}  // namespace tft

// What TensorRT tells of a plan: its tensors, or everything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tft/builder.h"
#include "tft/engine.h"
#include "tft/result.h"

namespace tft {

/// One tensor as a plan declares it, with every dimension; -1 for one that varies.
struct PlanTensor {
  std::string name;
  bool input = false;
  std::string type;  // "float32", "int32", "float16" …
  std::vector<std::int64_t> shape;
};

/// What a plan says of itself, for callers without a model.json to hold against it.
struct PlanReport {
  std::vector<PlanTensor> tensors;
  int max_batch = 0;  // of its optimisation profiles
};

/// Deserializes a plan to read its tensors and frees it. Blocks for seconds. `options` as for `load`; lanes,
/// queue and batch are not looked at. Errors: those of the libraries, PLAN_INVALID, PLUGIN,
/// OUT_OF_MEMORY.
Result<PlanReport> inspect_plan(std::span<const std::byte> plan, const EngineOptions& options = {});

struct EngineReport {
  std::string tensorrt_version;  // of the library that read the plan
  std::string name;              // the network's; often empty
  std::vector<PlanTensor> tensors;
  std::vector<BatchRange> profiles;
  std::string layers;                  // the inspector's JSON, as TensorRT gives it
  std::uint64_t activation_bytes = 0;  // of the profile that needs most
  std::uint64_t weights_bytes = 0;     // what deserializing took of the device's free memory
  std::uint64_t plan_bytes = 0;
};

/// Deserializes a plan, asks for everything, and frees it. Blocks for seconds. `options` and errors as for
/// `inspect_plan`; RUN where the inspector fails.
Result<EngineReport> inspect_engine(std::span<const std::byte> plan, const EngineOptions& options = {});

}  // namespace tft

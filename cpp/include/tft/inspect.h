// Inspects a plan: its tensors, or everything that TensorRT reports.
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

/// A plan's description of itself, for callers without a model.json.
struct PlanReport {
  std::vector<PlanTensor> tensors;
  int max_batch = 0;  // of its optimisation profiles
};

/// Deserializes a plan, reads its tensors and frees it. Blocks for seconds. `options` are those of `load`;
/// lanes, queue limit and batch are ignored. Errors: those of the libraries, PLAN_INVALID, PLUGIN,
/// OUT_OF_MEMORY.
Result<PlanReport> inspect_plan(std::span<const std::byte> plan, const EngineOptions& options = {});

struct EngineReport {
  std::string tensorrt_version;  // of the library that read the plan
  std::string name;              // of the network; often empty
  std::vector<PlanTensor> tensors;
  std::vector<BatchRange> profiles;
  std::string layers;                  // the inspector's JSON, as TensorRT gives it
  std::uint64_t activation_bytes = 0;  // the maximum over the profiles
  std::uint64_t weights_bytes = 0;     // the device memory that deserializing took
  std::uint64_t plan_bytes = 0;
};

/// Deserializes a plan, reads everything and frees it. Blocks for seconds. `options` and errors as for
/// `inspect_plan`; RUN if the inspector fails.
Result<EngineReport> inspect_engine(std::span<const std::byte> plan, const EngineOptions& options = {});

}  // namespace tft

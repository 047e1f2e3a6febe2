// Everything that TensorRT tells of a plan.
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

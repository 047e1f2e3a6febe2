// Loads TensorRT plans into engines. This header includes neither CUDA nor TensorRT.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "tft/engine.h"
#include "tft/model_shape.h"
#include "tft/result.h"

namespace tft {

/// Loads a plan. Blocks for seconds. `plan` must stay valid during the call only.
///
/// Errors: those of the libraries; OPTION; PLAN_INVALID; PLUGIN; PLAN_MISMATCH, which lists all differences
/// from `shape`; OUT_OF_MEMORY.
Result<std::unique_ptr<TFTEngine>> load_tensorrt(std::span<const std::byte> plan, const ModelShape& shape,
                                                 const EngineOptions& options = {});

}  // namespace tft

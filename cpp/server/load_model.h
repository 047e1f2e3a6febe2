// Loads the model that the settings name: a bundle on the CPU, or with a plan on a GPU.
#pragma once

#include <memory>

#include "server/log.h"
#include "server/served_model.h"
#include "server/settings.h"

namespace tft::server {

/// Blocks for seconds. Errors as read_model, verify_onnx, open_onnxruntime, load_onnxruntime, load_tensorrt.
Result<std::unique_ptr<ServedModel>> load_model(const Settings& settings, ServerLog& log);

}  // namespace tft::server

// The opened ONNX Runtime: its functions, its environment and a description of the CPU's memory.
#pragma once

#include <string>

#include "onnxruntime/api.h"
#include "tft/onnxruntime.h"

namespace tft::onnxruntime {

/// One for the process, and never freed: ONNX Runtime's threads may outlive every engine.
struct Library {
  Api api;
  OnnxRuntimeReport report;
  Env* env = nullptr;
  MemoryInfo* memory = nullptr;

  /// The message of a failed call, whose status it frees; empty for success.
  std::string message(Status* status) const;
};

/// Null until `open_onnxruntime` has succeeded.
const Library* library();

}  // namespace tft::onnxruntime

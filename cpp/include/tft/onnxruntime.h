// Loads ONNX files into engines that run on the CPU, with ONNX Runtime. This header does not include it.
#pragma once

#include <memory>
#include <string>

#include "tft/engine.h"
#include "tft/model_shape.h"
#include "tft/result.h"

namespace tft {

/// Where ONNX Runtime was found.
struct OnnxRuntimeReport {
  std::string path;
  std::string version;  // "1.30.0"
};

/// Opens ONNX Runtime, unless it is open; it stays open until the process ends.
///
/// `path` is the library, or the folder that has it. Without one: the npm package onnxruntime-node in the
/// folders above the program and above the working folder, then the loader's path. Error: BACKEND_UNAVAILABLE
/// with everything that was tried, or if another one is open.
Result<OnnxRuntimeReport> open_onnxruntime(const std::string& path = {});

/// Loads an ONNX file. Each lane (`EngineOptions::lanes`) is a computing thread. `open_onnxruntime` comes
/// first. The options that concern devices and plans are ignored.
/// The log says at INFO which parts no kernel of ours runs, and why; at WARN that ONNX Runtime refuses them,
/// and runs the file as it is.
///
/// Errors: BACKEND_UNAVAILABLE; OPTION; MODEL_INVALID if the file cannot be loaded or its tensors are not
/// those of `shape`.
Result<std::unique_ptr<TFTEngine>> load_onnxruntime(const std::string& onnx, const ModelShape& shape,
                                                    const EngineOptions& options = {});

}  // namespace tft

// Loads TorchScript modules into engines that run with LibTorch, on the CPU or a GPU. This header does not
// include it: it is in a library of its own, libtft_libtorch.so, which is opened at run time.
#pragma once

#include <memory>
#include <string>

#include "tft/engine.h"
#include "tft/model_shape.h"
#include "tft/result.h"

namespace tft {

/// Where the library was found, and the LibTorch that it runs with.
struct LibTorchReport {
  std::string path;
  std::string version;  // "2.15.0"
};

struct LibTorchOptions {
  /// libtft_libtorch.so or its folder. Without it: the variable TFT_LIBTORCH, then the loader's path.
  std::string library;
  std::string device = "cpu";  // or "cuda:0" …
  int threads = 1;             // that share one run on the CPU
};

/// Opens the library, unless it is open; it stays open until the process ends. Error: BACKEND_UNAVAILABLE
/// with everything that was tried.
Result<LibTorchReport> open_libtorch(const std::string& library = {});

/// Loads a module. Each lane (`EngineOptions::lanes`) runs batches on a thread of its own. The options that
/// concern plans and CUDA's devices are ignored.
///
/// Errors: BACKEND_UNAVAILABLE if the library or the device is missing; OPTION; MODEL_NOT_FOUND;
/// MODEL_INVALID if the file is not a module or does not take and return the tensors of `shape`;
/// OUT_OF_MEMORY.
Result<std::unique_ptr<TFTEngine>> load_libtorch(const std::string& module, const ModelShape& shape,
                                                 const LibTorchOptions& libtorch = {},
                                                 const EngineOptions& options = {});

}  // namespace tft

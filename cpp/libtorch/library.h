// The opened library's functions.
#pragma once

#include <string>

#include "libtorch/interface.h"
#include "tft/libtorch.h"
#include "tft/result.h"

namespace tft::libtorch {

struct Library {
  LibTorchReport report;
  TftLibTorchLoad* load = nullptr;
  TftLibTorchRun* run = nullptr;
  TftLibTorchFree* free = nullptr;
};

/// As `open_libtorch`. A library is opened once and never closed: LibTorch keeps threads and exit handlers.
Result<const Library*> open_library(const std::string& path);

}  // namespace tft::libtorch

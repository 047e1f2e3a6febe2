// The opened libraries as the engine uses them; loader.h is their public face.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "cuda_driver.h"
#include "tensorrt_api.h"
#include "tft/loader.h"

namespace tft {

struct TensorRTLibrary {
  std::unique_ptr<tensorrt::Runtime> (*create_runtime)(void* create, std::int32_t version) = nullptr;
  void* create = nullptr;    // the library's createInferRuntime_INTERNAL
  std::int32_t version = 0;  // what its getInferLibVersion says
};

/// `report.problem` says what lacks; both pointers are there when it does not.
struct Libraries {
  LibraryReport report;
  std::shared_ptr<const cuda::Driver> driver;
  std::optional<TensorRTLibrary> tensorrt;
};

Libraries open_libraries(const LoaderOptions& options);

}  // namespace tft

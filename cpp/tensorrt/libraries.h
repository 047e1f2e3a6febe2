// The opened libraries as the engine uses them; loader.h is their public face.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "cuda/driver.h"
#include "tensorrt/api.h"
#include "tensorrt/builder_api.h"
#include "tft/loader.h"

namespace tft {

struct TensorRTLibrary {
  std::unique_ptr<tensorrt::Runtime> (*create_runtime)(void* create, std::int32_t version) = nullptr;
  void* create = nullptr;    // the library's createInferRuntime_INTERNAL
  std::int32_t version = 0;  // what its getInferLibVersion says
  std::unique_ptr<tensorrt::Builder> (*make_builder)(void* create, std::int32_t version) = nullptr;
  void* create_builder = nullptr;  // createInferBuilder_INTERNAL; null in the lean runtime
  bool rtx = false;                // whether it is TensorRT for RTX
  bool has_operators = false;      // whether it knows the operators of cpp/plugins
};

/// `report.problem` says what lacks; both pointers are there when it does not.
struct Libraries {
  LibraryReport report;
  std::shared_ptr<const cuda::Driver> driver;
  std::optional<TensorRTLibrary> tensorrt;
};

Libraries open_libraries(const LoaderOptions& options);

/// TensorRT without CUDA, to build for GPUs that are elsewhere.
Libraries open_tensorrt_only(const LoaderOptions& options);

/// Opens the builder's kernels that are beside the library: TensorRT looks for them by their bare names,
/// which finds them only in the loader's path or where they are open already.
void open_builder_resources(const LibraryReport& report);

/// Opens the parser of the same major version, beside the library or in the loader's path; the report says
/// what was tried. Nothing where there is none.
std::optional<tensorrt::ParserLibrary> open_parser(LibraryReport& report);

}  // namespace tft

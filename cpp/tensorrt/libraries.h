// The opened libraries for the engine; loader.h is the public header.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cuda/driver.h"
#include "tensorrt/api.h"
#include "tensorrt/builder_api.h"
#include "tft/loader.h"

namespace tft {

struct TensorRTLibrary {
  std::unique_ptr<tensorrt::Runtime> (*create_runtime)(void* create, std::int32_t version) = nullptr;
  void* create = nullptr;    // the library's createInferRuntime_INTERNAL
  std::int32_t version = 0;  // the result of its getInferLibVersion
  std::unique_ptr<tensorrt::Builder> (*make_builder)(void* create, std::int32_t version) = nullptr;
  void* create_builder = nullptr;  // createInferBuilder_INTERNAL; null in the lean runtime
  bool rtx = false;                // whether it is TensorRT for RTX
  bool has_operators = false;      // the operators of cpp/plugins are registered with it
};

/// If `report.problem` is empty, both pointers are set.
struct Libraries {
  LibraryReport report;
  std::shared_ptr<const cuda::Driver> driver;
  std::optional<TensorRTLibrary> tensorrt;
};

Libraries open_libraries(const LoaderOptions& options);

/// TensorRT without CUDA, to build for GPUs that are elsewhere.
Libraries open_tensorrt_only(const LoaderOptions& options);

/// What a TensorRT is going to do.
enum class Parts { TO_RUN, TO_BUILD, TO_BUILD_WITH_LEAN_RUNTIME };

/// Opens the libraries that TensorRT opens by their bare names, which works only if they are on the loader's
/// path, or already open and have that name as their SONAME (the builder's kernels of 10.6 do not): the
/// builder's kernels, the lean runtime, the assembler of 11, NVRTC. They are in the
/// library's folder, or in pip's `nvidia/*/lib` beside that.
void open_parts(const LibraryReport& report, Parts parts);

/// The error for plugins that the library does not take.
std::optional<Error> plugins_refused(const LibraryReport& report, const std::vector<std::string>& plugins);

/// Opens the parser of the same major version, in the library's folder or on the loader's path; the report
/// lists the attempts. Empty if there is none.
std::optional<tensorrt::ParserLibrary> open_parser(LibraryReport& report);

}  // namespace tft

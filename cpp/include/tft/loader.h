// Finds and opens the CUDA driver and TensorRT at run time, and reports what was found and what is missing.
//
// No NVIDIA library is linked. Opened libraries stay open until the process ends, because TensorRT and the
// driver keep threads and exit handlers. Any thread may call any function.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tft/error.h"

namespace tft {

/// Where to search. If a path is given, its library is searched only there; it may be the file or its folder.
/// Without a path: TENSORRT_ROOT (its lib folders; TensorRT only), the loader's path, and the `tensorrt_libs`
/// (`tensorrt_rtx_libs`) of the active Python environment and of python3 (TensorRT only).
struct LoaderOptions {
  std::string cuda_path;      // libcuda.so.1, or its folder
  std::string tensorrt_path;  // libnvinfer.so.N, libnvinfer_lean.so.N or libtensorrt_rtx.so.1, or the folder
  /// Accepts TensorRT for RTX only. Without it, RTX comes after the others.
  bool rtx = false;
  /// Searches for TensorRT even if CUDA is unusable, to report on both. Of such a TensorRT only the version
  /// is read, and `usable()` stays false.
  bool survey = false;
  /// Searches for TensorRT only, which is enough to build for targets but not to run.
  bool without_cuda = false;
};

struct LibraryVersion {
  int major = 0, minor = 0, patch = 0, build = 0;
  std::string text() const;  // "10.16.1", with ".BUILD" if the library reports it
};

/// An attempt to open one file, or one name on the loader's path.
struct LibraryAttempt {
  enum class Library { CUDA, TENSORRT, PARSER };
  Library library = Library::CUDA;
  std::string path;  // as given to dlopen
  /// Why it was tried: "option", "TENSORRT_ROOT", "loader's path", "Python environment /…".
  std::string source;
  bool taken = false;
  std::string problem;  // why it is not used; empty if it is
};

struct DeviceReport {
  int index = 0;
  std::string name;
  int compute_major = 0, compute_minor = 0;
  std::uint64_t memory_bytes = 0;
};

/// The libraries and devices that were found. Strings are empty and numbers 0 where something is missing.
struct LibraryReport {
  std::string cuda_path;
  int cuda_version = 0;  // the newest CUDA that the driver supports; 13000 is 13.0
  std::vector<DeviceReport> devices;

  std::string tensorrt_path;
  LibraryVersion tensorrt;
  bool lean = false;  // the lean runtime: runs version-compatible plans, builds none
  bool rtx = false;   // TensorRT for RTX, which has its own version numbers

  std::string parser_path;  // libnvonnxparser; only builds need it, so a missing one is not a `problem`

  std::string warning;  // what to know of this TensorRT before it is used; empty if nothing

  std::vector<LibraryAttempt> attempts;  // in order
  std::optional<Error> problem;          // why plans cannot run

  bool usable() const { return !problem; }
  std::string name() const;  // "TensorRT 10.16.1", "TensorRT for RTX 1.7.1"
};

/// Opens the libraries, unless they are open. The CUDA driver comes first; TensorRT, which misbehaves without
/// a device, is called only if there is one. Blocks while opening, which takes seconds the first time.
LibraryReport load_libraries(const LoaderOptions& options = {});

}  // namespace tft

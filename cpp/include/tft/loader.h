// Finds and opens the CUDA driver and TensorRT at run time, and reports what was taken and what lacked.
//
// Nothing here links an NVIDIA library. Libraries once opened stay open until the process ends: TensorRT and
// the driver keep threads and exit handlers of their own. All functions may be called from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tft/error.h"

namespace tft {

/// Where to look. An explicit path is the only place looked at for its library; it may name the file or its
/// folder. Without one: TENSORRT_ROOT (its lib folders; TensorRT only), the loader's path, and the
/// `tensorrt_libs` (`tensorrt_rtx_libs`) of the active Python environment and of python3 (TensorRT only).
struct LoaderOptions {
  std::string cuda_path;      // libcuda.so.1, or its folder
  std::string tensorrt_path;  // libnvinfer.so.N, libnvinfer_lean.so.N or libtensorrt_rtx.so.1, or the folder
  /// Takes TensorRT for RTX and no other. Without it, RTX comes after the others.
  bool rtx = false;
  /// Looks for TensorRT even where CUDA cannot be used, to report on both; such a TensorRT is asked for
  /// nothing but its version, and `usable()` stays false.
  bool survey = false;
  /// Looks for TensorRT alone: enough to build for targets, not to run.
  bool without_cuda = false;
};

struct LibraryVersion {
  int major = 0, minor = 0, patch = 0, build = 0;
  std::string text() const;  // "10.16.1", with ".BUILD" where the library says it
};

/// One file, or name given to the loader, that was tried.
struct LibraryAttempt {
  enum class Library { CUDA, TENSORRT, PARSER };
  Library library = Library::CUDA;
  std::string path;  // as given to dlopen
  std::string
      source;  // why it was tried: "option", "TENSORRT_ROOT", "loader's path", "Python environment /…"
  bool taken = false;
  std::string problem;  // why it was not taken; empty if it was
};

struct DeviceReport {
  int index = 0;
  std::string name;
  int compute_major = 0, compute_minor = 0;
  std::uint64_t memory_bytes = 0;
};

/// What was found. Plain data; strings are empty and numbers 0 where there is nothing to say.
struct LibraryReport {
  std::string cuda_path;
  int cuda_version = 0;  // the newest CUDA that the driver runs, 13000 for 13.0
  std::vector<DeviceReport> devices;

  std::string tensorrt_path;
  LibraryVersion tensorrt;
  bool lean = false;  // the lean runtime: runs version-compatible plans, builds none
  bool rtx = false;   // TensorRT for RTX, whose versions count for themselves

  std::string parser_path;  // libnvonnxparser; needed to build engines only, so its lack is no problem here

  std::vector<LibraryAttempt> attempts;  // in the order in which they were made
  std::optional<Error> problem;          // what is in the way of running a plan

  bool usable() const { return !problem; }
  std::string name() const;  // "TensorRT 10.16.1", "TensorRT for RTX 1.7.1"
};

/// Opens the libraries, or finds them open. The CUDA driver is asked first; TensorRT, which misbehaves
/// without one, is called only where a device is there. Blocks for as long as opening takes (seconds when
/// cold).
LibraryReport load_libraries(const LoaderOptions& options = {});

}  // namespace tft

// Reads JavaScript's arguments: typed arrays as pointers, options as the core's structs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "napi_setup.h"
#include "tft/builder.h"
#include "tft/engine.h"
#include "tft/libtorch.h"
#include "tft/measure.h"

namespace tft::binding {

/// The memory under a typed array. Valid until JavaScript runs again.
struct View {
  const void* data = nullptr;
  std::size_t length = 0;  // elements
  bool shared = false;     // a SharedArrayBuffer: other threads may write to it at any time
};

/// Reads a Float32Array or Int32Array; returns false if the value is not an array of `type`.
bool read_view(napi_env env, napi_value value, ElementType type, View& view);

/// The options of `load`, as src/native/addon.ts declares them. TypeScript has checked them.
struct LoadArguments {
  std::string plan;
  ModelShape shape;
  EngineOptions options;
};
LoadArguments read_load_arguments(const Napi::Object& object);

/// The options of `loadOnnxRuntime`.
struct OnnxRuntimeArguments {
  std::string onnx;
  std::string library;
  ModelShape shape;
  EngineOptions options;
};
OnnxRuntimeArguments read_onnxruntime_arguments(const Napi::Object& object);

/// The options of `loadTorchScript`.
struct TorchScriptArguments {
  std::string module;
  ModelShape shape;
  LibTorchOptions libtorch;
  EngineOptions options;
};
TorchScriptArguments read_torchscript_arguments(const Napi::Object& object);

/// The options of `build`, except log, progress and stop.
struct BuildArguments {
  std::string onnx;
  ModelShape shape;
  BuildOptions options;
};
BuildArguments read_build_arguments(const Napi::Object& object);

/// The options of `measure`, except log and stop.
struct MeasureArguments {
  std::string plan;
  MeasureOptions options;
};
MeasureArguments read_measure_arguments(const Napi::Object& object);

/// Reads the options that say where libraries are.
LoaderOptions read_loader_options(const Napi::Object& object);

}  // namespace tft::binding

// Registers the operators of cpp/plugins as TensorRT plugins, without TensorRT's headers.
#pragma once

#include "plugins/operators.h"

namespace tft::tensorrt {

/// Returns the launcher for the calling thread's current CUDA context; null if there is none.
using LauncherOfThread = plugins::Launcher* (*)();

/// `get_registry` is the library's getPluginRegistry. Call it once for each library: the registry keeps the
/// creators until the process ends. Returns whether all were registered.
bool register_operators_10(void* get_registry, LauncherOfThread launcher);
bool register_operators_11(void* get_registry, LauncherOfThread launcher);

}  // namespace tft::tensorrt

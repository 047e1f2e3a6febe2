// Registering the operators of cpp/plugins as TensorRT's plugins, without TensorRT's headers.
#pragma once

#include "plugins/operators.h"

namespace tft::tensorrt {

/// Gives the launcher for the CUDA context that is current on the calling thread; null where there is none.
using LauncherOfThread = plugins::Launcher* (*)();

/// `get_registry` is the library's getPluginRegistry. Once for each library: the registry keeps its creators
/// until the process ends. Returns whether all were taken.
bool register_operators_10(void* get_registry, LauncherOfThread launcher);
bool register_operators_11(void* get_registry, LauncherOfThread launcher);

}  // namespace tft::tensorrt

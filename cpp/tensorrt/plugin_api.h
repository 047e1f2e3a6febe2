// Registers the operators of cpp/plugins as TensorRT plugins, without TensorRT's headers.
#pragma once

#include <cstdint>

#include "plugins/operators.h"

namespace tft::tensorrt {

/// Returns the launcher for the calling thread's current CUDA context; null if there is none.
using LauncherOfThread = plugins::Launcher* (*)();

/// `get_registry` is the library's getPluginRegistry. Call it once for each library: the registry keeps the
/// creators until the process ends. Returns whether all were registered.
bool register_operators_10(void* get_registry, LauncherOfThread launcher);
bool register_operators_11(void* get_registry, LauncherOfThread launcher);

/// The creators as IPluginCreatorInterface pointers, for a plugin library's getCreators. They live until the
/// process ends.
void* const* operator_creators_10(LauncherOfThread launcher, std::int32_t& count);
void* const* operator_creators_11(LauncherOfThread launcher, std::int32_t& count);

}  // namespace tft::tensorrt

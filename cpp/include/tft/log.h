// The log callback and its levels.
#pragma once

#include <functional>
#include <string>

namespace tft {

enum class LogLevel { DEBUG, INFO, WARN, ERROR };

/// Receives log lines. Called on any thread, possibly several at once, from `load` until the destructor has
/// returned. Must not call the engine and must not throw.
using Log = std::function<void(LogLevel level, const std::string& message)>;

}  // namespace tft

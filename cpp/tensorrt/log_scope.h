// Where TensorRT's log lines go. TensorRT keeps the first logger that it is given for the whole process, so
// the loggers live as long as it does, and the engine at work is found through the thread.
#pragma once

#include <mutex>
#include <string>
#include <type_traits>

#include "tft/log.h"

namespace tft::tensorrt {

/// While it lives, what TensorRT logs on this thread goes to `log`, and its errors are collected.
class LogScope {
 public:
  enum class Threads { OWN, STRAYS_TOO };

  /// STRAYS_TOO: also what is logged on threads that have no scope, as the builder's own. Where several such
  /// scopes live at once, the newest gets it.
  explicit LogScope(const Log& log, Threads threads = Threads::OWN);
  ~LogScope();
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;

  /// TensorRT's errors since construction, the first ones if there are many; "nothing" if none.
  std::string errors() const;
  /// Whether they say that device memory does not suffice; TensorRT has no code for it.
  bool says_memory_lacks() const;
  /// Whether they say that a plan needs a plugin whose creator is not registered.
  bool says_plugin_missing() const;

  /// For the loggers of both versions: one line from TensorRT, on this thread.
  static void receive(LogLevel level, const char* text) noexcept;

 private:
  std::string lower_case_errors() const;
  void add(LogLevel level, const char* text) noexcept;

  const Log& log_;
  const Threads threads_;
  mutable std::mutex mutex_;  // of `errors_` and calls of the log
  std::string errors_;
  LogScope* outer_;
};

static_assert(!std::is_copy_constructible_v<LogScope>);

}  // namespace tft::tensorrt

// Routes TensorRT's log lines to engines. TensorRT keeps its first logger for the whole process, so the
// loggers are never destroyed, and the thread determines the engine that a line belongs to.
#pragma once

#include <mutex>
#include <string>
#include <type_traits>

#include "tft/log.h"

namespace tft::tensorrt {

/// During its lifetime TensorRT's log lines on this thread go to `log`, and its errors are collected.
class LogScope {
 public:
  enum class Threads { OWN, STRAYS_TOO };

  /// STRAYS_TOO: also receives the lines of threads without a scope, such as the builder's threads. If there
  /// are several such scopes, the newest receives them.
  explicit LogScope(const Log& log, Threads threads = Threads::OWN);
  ~LogScope();
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;

  /// TensorRT's errors since construction (the first ones if there are many); "nothing" if there are none.
  std::string errors() const;
  /// Whether the errors say that device memory is short; TensorRT has no code for that.
  bool says_out_of_memory() const;
  /// Whether the errors say that a plan needs a plugin whose creator is not registered.
  bool says_plugin_missing() const;

  /// Called by the loggers of both versions with a line that TensorRT logs on this thread.
  static void receive(LogLevel level, const char* text) noexcept;

 private:
  std::string lower_case_errors() const;
  void add(LogLevel level, const char* text) noexcept;

  const Log& log_;
  const Threads threads_;
  mutable std::mutex mutex_;  // guards `errors_` and calls of the log
  std::string errors_;
  LogScope* outer_;
};

static_assert(!std::is_copy_constructible_v<LogScope>);

}  // namespace tft::tensorrt

// Converts the builder's progress reports to steps for the caller, and cancels a build.
#pragma once

#include <map>
#include <mutex>
#include <stop_token>
#include <string>

#include "tensorrt/builder_api.h"

namespace tft {

/// Stores each phase's parent and number of steps, which TensorRT reports only at its start.
class BuildProgressReporter final : public tensorrt::BuildMonitor {
 public:
  explicit BuildProgressReporter(const BuildOptions& options) : options_(options) {}

  void start(const char* phase, const char* parent, int steps) noexcept override;
  bool step(const char* phase, int step) noexcept override;
  void finish(const char* phase) noexcept override;

 private:
  struct Phase {
    std::string parent;
    int done = 0;
    int steps = 0;
  };
  void report(const std::string& name, const Phase& phase);

  const BuildOptions& options_;
  std::mutex mutex_;  // guards the phases, and keeps the calls in order
  std::map<std::string, Phase> phases_;
};

}  // namespace tft

// What the builder says of its progress, made into steps for the caller; and the way a build is called off.
#pragma once

#include <map>
#include <mutex>
#include <stop_token>
#include <string>

#include "tensorrt/builder_api.h"

namespace tft {

/// Keeps each phase's parent and steps, since TensorRT names them at its start only.
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
  std::mutex mutex_;  // of the phases and of the calls, which so come in order
  std::map<std::string, Phase> phases_;
};

}  // namespace tft

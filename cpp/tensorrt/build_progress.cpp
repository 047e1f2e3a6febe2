#include "tensorrt/build_progress.h"

#include <algorithm>

namespace tft {

void BuildProgressReporter::report(const std::string& name, const Phase& phase) {
  if (options_.progress) options_.progress({name, phase.parent, phase.done, phase.steps});
}

void BuildProgressReporter::start(const char* phase, const char* parent, int steps) noexcept {
  if (phase == nullptr) return;
  const std::lock_guard lock(mutex_);
  Phase& begun = phases_[phase];
  begun = {parent == nullptr ? "" : parent, 0, std::max(steps, 1)};
  report(phase, begun);
}

bool BuildProgressReporter::step(const char* phase, int step) noexcept {
  if (phase != nullptr) {
    const std::lock_guard lock(mutex_);
    // Steps are numbered from 0. The last one is reported at the phase's end, which TensorRT always reports.
    if (const auto found = phases_.find(phase); found != phases_.end()) {
      Phase& at = found->second;
      if (const int done = std::min(step + 1, at.steps - 1); done > at.done) {
        at.done = done;
        report(phase, at);
      }
    }
  }
  return !options_.stop.stop_requested();
}

void BuildProgressReporter::finish(const char* phase) noexcept {
  if (phase == nullptr) return;
  const std::lock_guard lock(mutex_);
  const auto found = phases_.find(phase);
  if (found == phases_.end()) return;
  found->second.done = found->second.steps;
  report(phase, found->second);
  phases_.erase(found);
}

}  // namespace tft

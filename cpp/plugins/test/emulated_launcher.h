// Runs the kernels on the CPU, through the interface by which operators launch them.
#pragma once

#include "plugins/operators.h"

namespace tft::plugins {

class EmulatedLauncher final : public Launcher {
 public:
  /// `multiprocessors` determines the kernels and grids, `seed` the order of the threads.
  explicit EmulatedLauncher(int multiprocessors = 132, unsigned seed = 1,
                            std::size_t shared_limit = std::size_t{227} << 10)
      : multiprocessors_(multiprocessors), seed_(seed), shared_limit_(shared_limit) {}

  int multiprocessors() const override { return multiprocessors_; }
  std::size_t shared_limit() const override { return shared_limit_; }
  bool launch(const char* kernel, const Grid& grid, void* parameters, void* stream) override;

  /// The kernels that were launched, in order.
  std::vector<std::string> launched;

 private:
  int multiprocessors_;
  unsigned seed_;
  std::size_t shared_limit_;
};

}  // namespace tft::plugins

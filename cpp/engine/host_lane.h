// Lanes of a runtime that works on the host's memory, as those for the CPU do: each runs the shared model on
// its own thread, in staging memory.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/lane.h"
#include "engine/staging.h"
#include "tft/model_shape.h"

namespace tft {

/// A loaded model. Several threads may run it at once, each in its own memory.
class HostModel {
 public:
  HostModel() = default;
  virtual ~HostModel() = default;
  HostModel(const HostModel&) = delete;
  HostModel& operator=(const HostModel&) = delete;

  /// Runs the first `series` series of a block of memory; the results are in the same block then.
  virtual Result<void> run(const BatchLayout& layout, std::byte* block, int series) const = 0;
  virtual void describe(EngineInfo&) const {}
};

/// On a CPU the time for each series falls until a batch of about eight; a larger one would make others wait
/// longer.
inline constexpr int kPreferredCpuBatch = 8;

/// Makes an engine over the model that `load` loads, after checking the options. Without a maximum batch in
/// them it is `preferred`.
Result<std::unique_ptr<TFTEngine>> engine_over_host(
    const ModelShape& shape, const EngineOptions& options, int preferred,
    const std::function<Result<std::unique_ptr<HostModel>>()>& load);

class HostLaneFactory final : public LaneFactory {
 public:
  HostLaneFactory(std::unique_ptr<HostModel> model, ModelShape shape, int lanes, int max_batch)
      : shape_(std::move(shape)), lanes_(lanes), max_batch_(max_batch), model_(std::move(model)) {}

  int max_batch() const override { return max_batch_; }
  int split_from() const override { return 2; }
  Result<std::vector<std::unique_ptr<Lane>>> make_lanes(
      std::function<void(const std::string& why)> captured) override;
  Result<std::byte*> allocate_staging(std::size_t bytes) override;
  void describe(EngineInfo& info) const override;

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };

  const ModelShape shape_;
  const int lanes_;
  const int max_batch_;
  std::unique_ptr<std::byte, Free> staging_;
  const std::unique_ptr<HostModel> model_;
};

}  // namespace tft

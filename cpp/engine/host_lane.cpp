// Runs batches in staging memory, and makes the lanes and that memory.
#include "engine/host_lane.h"

#include <chrono>
#include <cstdlib>

#include "engine/no_exceptions.h"
#include "engine/option_checks.h"

namespace tft {
namespace {

class HostLane final : public Lane {
 public:
  HostLane(const HostModel& model, BatchLayout layout) : model_(model), layout_(std::move(layout)) {}

  /// Does nothing yet: a CPU gains nothing from a batch that is queued ahead, and results are delivered
  /// first.
  Result<void> issue(std::byte* staging, int series, bool) override {
    staging_ = staging;
    series_ = series;
    return {};
  }

  Result<RunReport> finish() override {
    const auto begun = std::chrono::steady_clock::now();
    if (auto ran = model_.run(layout_, staging_, series_); !ran) return ran.error();
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begun;
    return RunReport{.run_us = took.count(), .bucket = series_};
  }

  Result<void> prepare(int) override { return {}; }

  Result<void> warm_up(std::byte* staging) override { return model_.run(layout_, staging, 1); }

 private:
  const HostModel& model_;
  const BatchLayout layout_;
  std::byte* staging_ = nullptr;
  int series_ = 0;
};

}  // namespace

Result<std::unique_ptr<TFTEngine>> engine_over_host(
    const ModelShape& shape, const EngineOptions& options, int preferred,
    const std::function<Result<std::unique_ptr<HostModel>>()>& load) {
  return without_exceptions<std::unique_ptr<TFTEngine>>(
      "loading", [&]() -> Result<std::unique_ptr<TFTEngine>> {
        if (auto error = check_engine_options(options)) return *error;
        const int max_batch = options.max_batch != 0 ? options.max_batch : preferred;
        if (auto error = in_range("maxBatch", max_batch, 1, 1 << 20)) return *error;
        auto model = load();
        if (!model) return model.error();
        auto lanes =
            std::make_unique<HostLaneFactory>(std::move(model).value(), shape, options.lanes, max_batch);
        return TFTEngine::over(std::move(lanes), shape, options);
      });
}

Result<std::vector<std::unique_ptr<Lane>>> HostLaneFactory::make_lanes(
    std::function<void(const std::string& why)>) {
  const Result<ItemBytes> items = item_bytes(shape_);
  if (!items) return items.error();
  std::vector<std::unique_ptr<Lane>> lanes;
  for (int i = 0; i < lanes_; ++i)
    lanes.push_back(std::make_unique<HostLane>(*model_, BatchLayout(*items, max_batch_)));
  return lanes;
}

Result<std::byte*> HostLaneFactory::allocate_staging(std::size_t bytes) {
  staging_.reset(static_cast<std::byte*>(std::aligned_alloc(kTensorAlignment, aligned(bytes))));
  if (staging_ == nullptr)
    return Error{ErrorCode::OUT_OF_MEMORY, std::to_string(bytes) + " bytes of staging memory are needed"};
  return staging_.get();
}

void HostLaneFactory::describe(EngineInfo& info) const {
  info.max_batch = max_batch_;
  model_->describe(info);
}

void HostLaneFactory::Free::operator()(std::byte* memory) const { std::free(memory); }

}  // namespace tft

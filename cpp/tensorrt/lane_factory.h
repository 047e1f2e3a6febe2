// A TensorRT plan on one or more devices, and the lanes that run it.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "cuda/objects.h"
#include "engine/lane.h"
#include "tensorrt/device_engine.h"
#include "tensorrt/libraries.h"
#include "tensorrt/plan_check.h"

namespace tft {

class TensorRTLaneFactory final : public LaneFactory {
 public:
  /// Loads the plan on each device. The libraries must be usable and the options checked. Errors: those of
  /// DeviceEngine::load; PLAN_MISMATCH; OPTION for a maximum batch that the plan does not support.
  static Result<std::unique_ptr<LaneFactory>> load(Libraries libraries, std::span<const std::byte> plan,
                                                   const ModelShape& shape, const EngineOptions& options);

  int max_batch() const override { return max_batch_; }
  Result<std::vector<std::unique_ptr<Lane>>> make_lanes(
      std::function<void(const std::string& why)> captured) override;
  Result<std::byte*> allocate_staging(std::size_t bytes) override;
  bool is_device() const override { return true; }
  int split_from() const override { return kSplitFrom; }
  void describe(EngineInfo& info) const override;
  std::vector<std::byte> runtime_cache() const override;

 private:
  /// With smaller parts a GPU gains nothing.
  static constexpr int kSplitFrom = 256;

  TensorRTLaneFactory(Libraries libraries, const ModelShape& shape, const EngineOptions& options)
      : libraries_(std::move(libraries)), shape_(shape), options_(options) {}
  Result<void> load_devices(std::span<const std::byte> plan);

  const Libraries libraries_;
  const ModelShape shape_;
  const EngineOptions options_;
  std::uint64_t plan_bytes_ = 0;
  int max_batch_ = 0;
  std::vector<Bucket> buckets_;
  std::vector<LaneDevice> described_;
  // Destroyed in reverse order: the staging memory before the devices' contexts.
  std::vector<std::unique_ptr<DeviceEngine>> devices_;
  cuda::PinnedMemory staging_;
};

}  // namespace tft

// ONNX Runtime's lanes: each runs the shared session on its own thread, in staging memory.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/lane.h"
#include "engine/staging.h"
#include "onnxruntime/session.h"
#include "tft/model_shape.h"

namespace tft::onnxruntime {

class CpuLane final : public Lane {
 public:
  CpuLane(const Session& session, BatchLayout layout) : session_(session), layout_(std::move(layout)) {}

  /// Does nothing yet: a CPU gains nothing from a batch that is queued ahead, and results are delivered
  /// first.
  Result<void> issue(std::byte* staging, int series, bool poll) override;
  Result<RunReport> finish() override;
  Result<void> prepare(int series) override;
  Result<void> warm_up(std::byte* staging) override;

 private:
  const Session& session_;
  const BatchLayout layout_;
  std::byte* staging_ = nullptr;
  int series_ = 0;
};

class CpuLaneFactory final : public LaneFactory {
 public:
  /// Errors as load_onnxruntime.
  static Result<std::unique_ptr<LaneFactory>> load(const std::string& onnx, const ModelShape& shape,
                                                   int lanes, int max_batch);

  int max_batch() const override { return max_batch_; }
  Result<std::vector<std::unique_ptr<Lane>>> make_lanes(
      std::function<void(const std::string& why)> captured) override;
  Result<std::byte*> allocate_staging(std::size_t bytes) override;
  void describe(EngineInfo& info) const override;

 private:
  CpuLaneFactory(ModelShape shape, int lanes, int max_batch)
      : shape_(std::move(shape)), lanes_(lanes), max_batch_(max_batch) {}

  struct Free {
    void operator()(std::byte* memory) const;
  };

  const ModelShape shape_;
  const int lanes_;
  const int max_batch_;
  std::unique_ptr<std::byte, Free> staging_;
  std::unique_ptr<Session> session_;
};

}  // namespace tft::onnxruntime

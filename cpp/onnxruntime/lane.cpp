// Runs batches with ONNX Runtime, and makes the lanes and their memory.
#include "onnxruntime/lane.h"

#include <chrono>
#include <cstdlib>

namespace tft::onnxruntime {

Result<void> CpuLane::issue(std::byte* staging, int series, bool) {
  staging_ = staging;
  series_ = series;
  return {};
}

Result<RunReport> CpuLane::finish() {
  const auto begun = std::chrono::steady_clock::now();
  if (auto ran = session_.run(layout_, staging_, series_); !ran) return ran.error();
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begun;
  return RunReport{.run_us = took.count(), .bucket = series_};
}

Result<void> CpuLane::prepare(int) { return {}; }

Result<void> CpuLane::warm_up(std::byte* staging) { return session_.run(layout_, staging, 1); }

Result<std::unique_ptr<LaneFactory>> CpuLaneFactory::load(const std::string& onnx, const ModelShape& shape,
                                                          int lanes, int max_batch) {
  std::unique_ptr<CpuLaneFactory> made(new CpuLaneFactory(shape, lanes, max_batch));
  auto session = Session::load(onnx, made->shape_);
  if (!session) return session.error();
  made->session_ = std::move(session).value();
  return std::unique_ptr<LaneFactory>(std::move(made));
}

Result<std::vector<std::unique_ptr<Lane>>> CpuLaneFactory::make_lanes(
    std::function<void(const std::string& why)>) {
  const Result<ItemBytes> items = item_bytes(shape_);
  if (!items) return items.error();
  std::vector<std::unique_ptr<Lane>> lanes;
  for (int i = 0; i < lanes_; ++i)
    lanes.push_back(std::make_unique<CpuLane>(*session_, BatchLayout(*items, max_batch_)));
  return lanes;
}

Result<std::byte*> CpuLaneFactory::allocate_staging(std::size_t bytes) {
  staging_.reset(static_cast<std::byte*>(std::aligned_alloc(kTensorAlignment, aligned(bytes))));
  if (staging_ == nullptr)
    return Error{ErrorCode::OUT_OF_MEMORY, std::to_string(bytes) + " bytes of staging memory are needed"};
  return staging_.get();
}

void CpuLaneFactory::describe(EngineInfo& info) const { info.max_batch = max_batch_; }

void CpuLaneFactory::Free::operator()(std::byte* memory) const { std::free(memory); }

}  // namespace tft::onnxruntime

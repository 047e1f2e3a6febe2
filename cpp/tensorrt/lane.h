// TensorRT's lane: a stream with device buffers and, for each batch bucket, an execution context and a CUDA
// graph of its run.
//
// Its contexts share one block of activation memory, which is safe because they run one after another on one
// stream.
//
// A graph is valid only while its context's shapes and addresses do not change, so each bucket has a context
// that is set up once, with the lane's device buffers. The copies to and from staging memory are not part of
// the graph: then any staging memory can be used with any lane, and one graph per bucket is enough.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda/objects.h"
#include "engine/lane.h"
#include "engine/staging.h"
#include "tensorrt/api.h"
#include "tensorrt/device_engine.h"
#include "tensorrt/plan_check.h"
#include "tft/log.h"
#include "tft/model_shape.h"

namespace tft {

struct LaneOptions {
  std::string name;  // in messages: "lane 1 of GPU 0"
  const ModelShape* shape = nullptr;
  ItemBytes items;
  std::vector<Bucket> buckets;
  int max_batch = 1;  // the size of staging memory; the last bucket may be larger, and is then padded
  bool cuda_graphs = true;
  const Log* log = nullptr;
  ContextMaking* making = nullptr;  // the engine's
  /// Called after each attempt to capture a graph; `why` is empty if it succeeded.
  std::function<void(const std::string& why)> captured;
};

class TensorRTLane final : public Lane {
 public:
  /// `engine` must outlive the lane.
  static Result<std::unique_ptr<TensorRTLane>> create(cuda::ContextPointer context, tensorrt::Engine& engine,
                                                      LaneOptions options);
  ~TensorRTLane() override;

  Result<void> issue(std::byte* staging, int series, bool poll) override;
  Result<void> prepare(int series) override;
  Result<RunReport> finish() override;
  Result<void> warm_up(std::byte* staging) override;

  /// Device memory: of inputs and outputs, and of activations.
  std::size_t buffer_bytes() const { return device_layout_.bytes; }
  std::int64_t activation_bytes() const { return activation_bytes_; }

 private:
  using Clock = std::chrono::steady_clock;

  struct BucketRun {
    Bucket bucket;
    // Made when the bucket is first needed, or in advance by another thread: do not use it until `ready` is
    // set.
    std::atomic<bool> ready = false;
    cuda::DeviceMemory own_activation;  // used if the shared block is too small
    std::unique_ptr<tensorrt::Context> context;
    cuda::GraphExec graph;
    bool has_run = false;  // TensorRT sets itself up in the first run, which must not be captured
    bool capture_tried = false;
    Clock::duration usual{0};  // the usual time of copies and run, measured with CUDA events
  };

  TensorRTLane(cuda::ContextPointer context, tensorrt::Engine& engine, LaneOptions options);
  Result<void> set_up();
  /// Makes the context of a bucket that has none.
  Result<void> make_context(BucketRun& run);
  Result<void> set_up(BucketRun& run);
  std::int64_t activation_bytes_of(const BucketRun& run) const;
  Result<void> allocate_activations();
  Result<void> give_activations(BucketRun& run);
  BucketRun& bucket_for(int series);
  Result<void> put_on_stream(std::byte* staging, int series, BucketRun& run);
  Result<void> enqueue(BucketRun& run);
  void capture(BucketRun& run);
  cuda::Status wait_for_end(const BucketRun& run);
  Error run_failure(const std::string& errors) const;
  Error drained(Error error);

  // Members are destroyed in reverse order: contexts and graphs before the memory that they use, all before
  // the stream.
  const cuda::ContextPointer context_;
  tensorrt::Engine& engine_;
  const LaneOptions options_;
  const BatchLayout staging_layout_, device_layout_;
  cuda::Stream stream_;
  cuda::Stream setup_stream_;  // for making contexts, because `stream_` may be running or capturing
  cuda::Event begun_, copied_in_, ran_, copied_out_;  // waiting for the last one sleeps
  cuda::DeviceMemory buffers_;
  cuda::DeviceMemory activation_;
  std::int64_t activation_bytes_ = 0;
  std::deque<BucketRun> runs_;  // by size; a deque, so that they do not move
  BucketRun* issued_ = nullptr;
  bool issued_graph_ = false;
  Clock::time_point issued_at_;
  bool polls_ = false;
};

}  // namespace tft

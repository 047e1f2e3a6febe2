// One stream of a measurement: its context, buffers and events, and the loop that keeps it busy.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "cuda/objects.h"
#include "tensorrt/api.h"
#include "tft/measure.h"

namespace tft {

/// One tensor of the plan for the measured batch.
struct RunTensor {
  std::string name;
  bool input = false;
  std::vector<std::int64_t> dims;  // with the batch
  std::string type;
  std::size_t bytes = 0;
};

/// The profile and tensors that all streams of a measurement run.
struct RunPlan {
  int profile = 0;
  std::vector<RunTensor> tensors;
};

/// Used by one thread at a time.
class MeasuredStream {
 public:
  /// `engine` must outlive the stream, `plan` and `options` too.
  static Result<std::unique_ptr<MeasuredStream>> create(cuda::ContextPointer context,
                                                        tensorrt::Engine& engine, const RunPlan& plan,
                                                        const MeasureOptions& options);
  ~MeasuredStream();
  MeasuredStream(const MeasuredStream&) = delete;
  MeasuredStream& operator=(const MeasuredStream&) = delete;

  /// Returns whether to begin another iteration; `done` have begun.
  using GoOn = std::function<bool(int done)>;

  /// Runs iterations until `go_on` returns false, with two enqueued at a time. Adds their times to `samples`
  /// unless it is null; start and end are measured from the event `zero`.
  Result<void> run(const GoOn& go_on, cuda::EventHandle zero, std::vector<Sample>* samples);

  /// Captures the computation; later runs launch the graph. It must have run before.
  Result<void> capture();
  /// The number of nodes in the graph; 0 without one.
  std::size_t graph_nodes() const { return graph_ ? graph_nodes_ : 0; }
  void forget_graph() { graph_.reset(); }

  /// Runs only the computation, and times each layer.
  Result<void> time_layers(int runs, tensorrt::LayerTimes& times);

  /// Records the event that times are measured from.
  Result<void> mark(cuda::EventHandle event);

 private:
  struct Slot {
    cuda::Event begun, copied_in, ran, copied_out;
    double enqueue_ms = 0;
  };

  MeasuredStream(cuda::ContextPointer context, const RunPlan& plan, const MeasureOptions& options);
  Result<void> set_up(tensorrt::Engine& engine);
  Result<void> allocate(tensorrt::Engine& engine);
  Result<void> set_up_context(tensorrt::Engine& engine);
  void make_up_inputs();
  Result<void> copy(bool inputs, const Slot& slot);
  Result<void> issue(Slot& slot);
  Result<void> enqueue();
  Result<void> finish(const Slot& slot, cuda::EventHandle zero, std::vector<Sample>* samples);
  Result<void> done(cuda::Status status, const char* what) const;

  // Destroyed in reverse order: graph and context before the memory that they use, all before the stream.
  const cuda::ContextPointer context_;
  const RunPlan& plan_;
  const MeasureOptions& options_;
  cuda::Stream stream_;
  std::array<Slot, 2> slots_;
  cuda::PinnedMemory pinned_;
  cuda::DeviceMemory buffers_;
  cuda::DeviceMemory activation_;
  std::size_t host_bytes_ = 0;        // of one slot's part of the pinned memory
  std::vector<std::size_t> offsets_;  // of the tensors, in host and device memory
  std::unique_ptr<tensorrt::Context> run_;
  cuda::GraphExec graph_;
  std::size_t graph_nodes_ = 0;
};

static_assert(!std::is_copy_constructible_v<MeasuredStream>);

}  // namespace tft

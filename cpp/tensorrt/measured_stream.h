// One stream of a measurement: a context, buffers and events of its own, and the loop that keeps it busy.
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

/// One tensor of the plan as it is run.
struct RunTensor {
  std::string name;
  bool input = false;
  std::vector<std::int64_t> dims;  // with the batch
  std::string type;
  std::size_t bytes = 0;
};

/// What all streams of a measurement run.
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

  /// Says whether to begin another iteration; `done` have been begun.
  using GoOn = std::function<bool(int done)>;

  /// Iterations until `go_on` says no, two under way at a time. Times are added to `samples` unless it is
  /// null; those of start and end count from the event `zero`.
  Result<void> run(const GoOn& go_on, cuda::EventHandle zero, std::vector<Sample>* samples);

  /// Runs the computation as a graph from now on. It must have run before.
  Result<void> capture();
  /// What the graph launches; 0 without one.
  std::size_t graph_nodes() const { return graph_ ? graph_nodes_ : 0; }
  void forget_graph() { graph_.reset(); }

  /// Computations alone, timed layer by layer.
  Result<void> time_layers(int runs, tensorrt::LayerTimes& times);

  /// An event in its past: the beginning of time.
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

  // Destroyed in reverse: the graph and the context before the memory that they use, all before the stream.
  const cuda::ContextPointer context_;
  const RunPlan& plan_;
  const MeasureOptions& options_;
  cuda::Stream stream_;
  std::array<Slot, 2> slots_;
  cuda::PinnedMemory pinned_;
  cuda::DeviceMemory buffers_;
  cuda::DeviceMemory activation_;
  std::size_t host_bytes_ = 0;        // of one slot's part of the pinned memory
  std::vector<std::size_t> offsets_;  // of the tensors, in both memories
  std::unique_ptr<tensorrt::Context> run_;
  cuda::GraphExec graph_;
  std::size_t graph_nodes_ = 0;
};

static_assert(!std::is_copy_constructible_v<MeasuredStream>);

}  // namespace tft

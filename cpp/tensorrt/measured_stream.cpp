// Sets up a stream of a measurement, and runs its iterations.
#include "tensorrt/measured_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/staging.h"
#include "tensorrt/capture_run.h"
#include "tensorrt/log_scope.h"

namespace tft {
namespace {

using cuda::CurrentContext;
using cuda::kSuccess;
using cuda::Status;
using tensorrt::LogScope;
using Clock = std::chrono::steady_clock;

}  // namespace

MeasuredStream::MeasuredStream(cuda::ContextPointer context, const RunPlan& plan,
                               const MeasureOptions& options)
    : context_(std::move(context)), plan_(plan), options_(options) {}

MeasuredStream::~MeasuredStream() {
  const CurrentContext current(*context_);
  // Wait for running work before its memory is freed. On a lost device this fails, but then nothing runs.
  if (stream_) (void)context_->driver().stream_synchronize(stream_.get());
  graph_.reset();
  run_.reset();
}

Result<std::unique_ptr<MeasuredStream>> MeasuredStream::create(cuda::ContextPointer context,
                                                               tensorrt::Engine& engine, const RunPlan& plan,
                                                               const MeasureOptions& options) {
  std::unique_ptr<MeasuredStream> made(new MeasuredStream(std::move(context), plan, options));
  if (auto set_up = made->set_up(engine); !set_up) return set_up.error();
  return made;
}

Result<void> MeasuredStream::done(Status status, const char* what) const {
  if (status == kSuccess) return {};
  return failure(context_->driver(), status, what);
}

Result<void> MeasuredStream::set_up(tensorrt::Engine& engine) {
  const CurrentContext current(*context_);
  if (auto used = done(current.status(), "using the GPU"); !used) return used;
  auto stream = cuda::create_stream(context_);
  if (!stream) return stream.error();
  stream_ = std::move(stream).value();
  for (Slot& slot : slots_) {
    for (cuda::Event* const event : {&slot.begun, &slot.copied_in, &slot.ran, &slot.copied_out}) {
      const bool sleeps = event == &slot.copied_out && !options_.spin_wait;
      auto made = cuda::create_event(context_, sleeps ? cuda::kEventBlockingSync : cuda::kEventDefault);
      if (!made) return made.error();
      *event = std::move(made).value();
    }
  }
  if (auto made = allocate(engine); !made) return made;
  if (auto made = set_up_context(engine); !made) return made;
  make_up_inputs();
  if (auto copied = copy(true, slots_.front()); !copied) return copied;
  return done(context_->driver().stream_synchronize(stream_.get()), "setting up a stream");
}

Result<void> MeasuredStream::allocate(tensorrt::Engine& engine) {
  std::size_t bytes = 0;
  for (const RunTensor& tensor : plan_.tensors) {
    offsets_.push_back(bytes);
    bytes += aligned(tensor.bytes);
  }
  auto buffers = cuda::allocate_device(context_, bytes, "inputs and outputs");
  if (!buffers) return buffers.error();
  buffers_ = std::move(buffers).value();
  // Two iterations may run at once, so each has its own part for the outputs.
  host_bytes_ = bytes;
  auto pinned = cuda::allocate_pinned(context_, slots_.size() * bytes, "inputs and outputs");
  if (!pinned) return pinned.error();
  pinned_ = std::move(pinned).value();
  const std::int64_t needed = engine.activation_bytes(plan_.profile);
  if (needed <= 0) return {};
  auto activation = cuda::allocate_device(context_, static_cast<std::size_t>(needed), "activations");
  if (!activation) return activation.error();
  activation_ = std::move(activation).value();
  return {};
}

Result<void> MeasuredStream::set_up_context(tensorrt::Engine& engine) {
  const LogScope scope(options_.log);
  const auto refuse = [&](const std::string& step) {
    return Error{scope.says_out_of_memory() ? ErrorCode::OUT_OF_MEMORY : ErrorCode::PLAN_INVALID,
                 "TensorRT fails to " + step + "; it says: " + scope.errors()};
  };
  run_ = engine.create_context();
  if (run_ == nullptr) return refuse("make an execution context");
  if (!run_->set_profile(plan_.profile, stream_.get())) return refuse("take an optimisation profile");
  if (activation_)
    run_->set_activation_memory(cuda::address(activation_.get()), engine.activation_bytes(plan_.profile));
  for (std::size_t i = 0; i < plan_.tensors.size(); ++i) {
    const RunTensor& tensor = plan_.tensors[i];
    if (tensor.input && !run_->set_input_shape(tensor.name, tensor.dims))
      return refuse("take the shape of '" + tensor.name + "'");
    if (!run_->set_address(tensor.name, cuda::address(buffers_.get() + offsets_[i])))
      return refuse("take the address of '" + tensor.name + "'");
  }
  return {};
}

/// Generates inputs: small positive numbers, and category code 0, which every model has.
void MeasuredStream::make_up_inputs() {
  for (std::size_t i = 0; i < plan_.tensors.size(); ++i) {
    std::byte* const begin = static_cast<std::byte*>(pinned_.get()) + offsets_[i];
    std::memset(begin, 0, plan_.tensors[i].bytes);
    if (!plan_.tensors[i].input || plan_.tensors[i].type != "float32") continue;
    for (std::size_t j = 0; j < plan_.tensors[i].bytes / sizeof(float); ++j) {
      const float value = static_cast<float>(j % 100 + 1) / 100;
      std::memcpy(begin + j * sizeof value, &value, sizeof value);
    }
  }
}

Result<void> MeasuredStream::copy(bool inputs, const Slot& slot) {
  const auto part = inputs ? 0 : static_cast<std::size_t>(&slot - slots_.data()) * host_bytes_;
  const cuda::Driver& driver = context_->driver();
  for (std::size_t i = 0; i < plan_.tensors.size(); ++i) {
    if (plan_.tensors[i].input != inputs) continue;
    std::byte* const host = static_cast<std::byte*>(pinned_.get()) + part + offsets_[i];
    const cuda::DevicePointer device = buffers_.get() + offsets_[i];
    const std::size_t bytes = plan_.tensors[i].bytes;
    const Status status = inputs ? driver.copy_in_async(device, host, bytes, stream_.get())
                                 : driver.copy_out_async(host, device, bytes, stream_.get());
    if (auto copied = done(status, inputs ? "copying inputs to the GPU" : "copying outputs from the GPU");
        !copied)
      return copied;
  }
  return {};
}

Result<void> MeasuredStream::enqueue() {
  if (graph_)
    return done(context_->driver().graph_launch(graph_.get(), stream_.get()), "launching the graph");
  const LogScope scope(options_.log);
  if (run_->enqueue(stream_.get())) return {};
  return Error{ErrorCode::RUN, "TensorRT fails to run; it says: " + scope.errors()};
}

Result<void> MeasuredStream::mark(cuda::EventHandle event) {
  return done(context_->driver().event_record(event, stream_.get()), "recording an event");
}

Result<void> MeasuredStream::issue(Slot& slot) {
  if (auto marked = mark(slot.begun.get()); !marked) return marked;
  if (options_.data_transfers)
    if (auto copied = copy(true, slot); !copied) return copied;
  if (auto marked = mark(slot.copied_in.get()); !marked) return marked;
  const auto before = Clock::now();
  if (auto enqueued = enqueue(); !enqueued) return enqueued;
  slot.enqueue_ms = std::chrono::duration<double, std::milli>(Clock::now() - before).count();
  if (auto marked = mark(slot.ran.get()); !marked) return marked;
  if (options_.data_transfers)
    if (auto copied = copy(false, slot); !copied) return copied;
  return mark(slot.copied_out.get());
}

Result<void> MeasuredStream::finish(const Slot& slot, cuda::EventHandle zero, std::vector<Sample>* samples) {
  const cuda::Driver& driver = context_->driver();
  if (auto waited = done(driver.event_synchronize(slot.copied_out.get()), "running"); !waited) return waited;
  if (samples == nullptr) return {};
  Status status = kSuccess;
  const auto elapsed = [&](cuda::EventHandle from, const cuda::Event& to) {
    float milliseconds = 0;
    if (status == kSuccess) status = driver.event_elapsed(&milliseconds, from, to.get());
    return static_cast<double>(milliseconds);
  };
  Sample sample;
  sample.start_ms = elapsed(zero, slot.begun);
  sample.end_ms = elapsed(zero, slot.copied_out);
  sample.enqueue_ms = slot.enqueue_ms;
  if (options_.data_transfers) {
    sample.copy_in_ms = elapsed(slot.begun.get(), slot.copied_in);
    sample.copy_out_ms = elapsed(slot.ran.get(), slot.copied_out);
  }
  sample.run_ms = elapsed(slot.copied_in.get(), slot.ran);
  sample.latency_ms = sample.copy_in_ms + sample.run_ms + sample.copy_out_ms;
  if (auto timed = done(status, "timing a run"); !timed) return timed;
  samples->push_back(sample);
  return {};
}

Result<void> MeasuredStream::run(const GoOn& go_on, cuda::EventHandle zero, std::vector<Sample>* samples) {
  const CurrentContext current(*context_);
  if (auto used = done(current.status(), "using the GPU"); !used) return used;
  const Slot* under_way = nullptr;
  for (int begun = 0;; ++begun) {
    Slot* const next = go_on(begun) ? &slots_[static_cast<std::size_t>(begun) % slots_.size()] : nullptr;
    if (next != nullptr)
      if (auto issued = issue(*next); !issued) return issued;
    if (under_way != nullptr)
      if (auto finished = finish(*under_way, zero, samples); !finished) return finished;
    if (next == nullptr) return {};
    under_way = next;
  }
}

Result<void> MeasuredStream::capture() {
  const CurrentContext current(*context_);
  if (auto used = done(current.status(), "using the GPU"); !used) return used;
  auto graph = capture_run(context_, stream_.get(), *run_, options_.log, &graph_nodes_);
  if (!graph) return graph.error();
  graph_ = std::move(graph).value();
  return {};
}

Result<void> MeasuredStream::time_layers(int runs, tensorrt::LayerTimes& times) {
  const CurrentContext current(*context_);
  if (auto used = done(current.status(), "using the GPU"); !used) return used;
  forget_graph();  // the layers of a graph cannot be timed
  const LogScope scope(options_.log);
  if (!run_->time_layers(&times))
    return Error{ErrorCode::RUN, "TensorRT does not time layers; it says: " + scope.errors()};
  Result<void> result;
  for (int i = 0; i < runs && result.ok() && !options_.stop.stop_requested(); ++i) {
    result = enqueue();
    if (result.ok()) result = done(context_->driver().stream_synchronize(stream_.get()), "running");
  }
  (void)run_->time_layers(nullptr);
  return result;
}

}  // namespace tft

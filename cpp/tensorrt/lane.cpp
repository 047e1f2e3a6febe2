// Sets up a lane, and runs batches on it.
#include "tensorrt/lane.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "engine/pause.h"
#include "tensorrt/capture_run.h"
#include "tensorrt/log_scope.h"

namespace tft {
namespace {

using cuda::address;
using cuda::CurrentContext;
using cuda::DevicePointer;
using cuda::kSuccess;
using cuda::Status;

/// The minimal time before and after a run's expected end in which its end is polled for.
constexpr std::chrono::microseconds kNear{50};

/// A run that usually takes less is polled for from its beginning. A sleeping thread wakes late, by the
/// kernel's timer slack (50 us) plus the time to wake, which is a third of a run of 0.2 ms.
constexpr std::chrono::microseconds kShort{400};

/// Permission to poll for a whole run. Over all engines of the process, at most as many lanes as half of the
/// processors have it: the other processors stay free for the event loop and other threads, whatever the
/// number of lanes.
class LeaveToPoll {
 public:
  explicit LeaveToPoll(bool wanted)
      : asked_(wanted), given_(asked_ && polling_.fetch_add(1, std::memory_order_relaxed) < most()) {}
  ~LeaveToPoll() {
    if (asked_) polling_.fetch_sub(1, std::memory_order_relaxed);
  }
  LeaveToPoll(const LeaveToPoll&) = delete;
  LeaveToPoll& operator=(const LeaveToPoll&) = delete;
  bool given() const { return given_; }

 private:
  static int most() {
    static const int half = static_cast<int>(std::thread::hardware_concurrency() / 2);
    return half;
  }
  static inline std::atomic<int> polling_ = 0;
  const bool asked_, given_;
};

}  // namespace

TensorRTLane::TensorRTLane(cuda::ContextPointer context, tensorrt::Engine& engine, LaneOptions options)
    : context_(std::move(context)),
      engine_(engine),
      options_(std::move(options)),
      staging_layout_(options_.items, options_.max_batch),
      device_layout_(options_.items, options_.buckets.back().size) {}

TensorRTLane::~TensorRTLane() {
  const CurrentContext current(*context_);
  // Wait for running work before its memory is freed. On a lost device this fails, but then nothing runs.
  if (stream_) (void)context_->driver().stream_synchronize(stream_.get());
  runs_.clear();
}

Result<std::unique_ptr<TensorRTLane>> TensorRTLane::create(cuda::ContextPointer context,
                                                           tensorrt::Engine& engine, LaneOptions options) {
  std::unique_ptr<TensorRTLane> lane(new TensorRTLane(std::move(context), engine, std::move(options)));
  if (auto made = lane->set_up(); !made) return made.error();
  return lane;
}

Result<void> TensorRTLane::set_up() {
  const CurrentContext current(*context_);
  const cuda::Driver& driver = context_->driver();
  if (current.status() != kSuccess) return failure(driver, current.status(), "setting up " + options_.name);

  for (cuda::Stream* const stream : {&stream_, &setup_stream_}) {
    auto made = cuda::create_stream(context_);
    if (!made) return made.error();
    *stream = std::move(made).value();
  }
  for (cuda::Event* const event : {&begun_, &copied_in_, &ran_, &copied_out_}) {
    auto made =
        cuda::create_event(context_, event == &copied_out_ ? cuda::kEventBlockingSync : cuda::kEventDefault);
    if (!made) return made.error();
    *event = std::move(made).value();
  }

  const std::size_t bytes = buffer_bytes();
  auto buffers = cuda::allocate_device(context_, bytes, "the inputs and outputs of " + options_.name);
  if (!buffers) return buffers.error();
  buffers_ = std::move(buffers).value();
  // Padding rows contain the data of an earlier, larger batch; at first they must contain something valid.
  if (const Status status = driver.memset_async(buffers_.get(), 0, bytes, stream_.get()))
    return failure(driver, status, "clearing the buffers of " + options_.name);

  for (const Bucket& bucket : options_.buckets) runs_.emplace_back().bucket = bucket;
  if (auto allocated = allocate_activations(); !allocated) return allocated;
  if (const Status status = driver.stream_synchronize(stream_.get()))
    return failure(driver, status, "setting up " + options_.name);
  return {};
}

Result<void> TensorRTLane::prepare(int series) {
  BucketRun& run = bucket_for(series);
  while (!run.ready && options_.making->needed > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return make_context(run);
}

Result<void> TensorRTLane::make_context(BucketRun& run) {
  if (run.ready.load(std::memory_order_acquire)) return {};
  const std::lock_guard lock(options_.making->mutex);
  if (run.ready.load(std::memory_order_relaxed)) return {};
  const CurrentContext current(*context_);
  const cuda::Driver& driver = context_->driver();
  if (current.status() != kSuccess) return failure(driver, current.status(), "setting up " + options_.name);
  Result<void> made = set_up(run);
  if (made.ok()) made = give_activations(run);
  const Status status = driver.stream_synchronize(setup_stream_.get());
  if (status != kSuccess) {
    // Prefer the driver's status: it identifies a lost device, for which TensorRT only reports a failure.
    Error error = failure(driver, status, "setting up " + options_.name);
    if (!made.ok()) error.message += "; " + made.error().message;
    made = error;
  }
  if (!made.ok()) {
    run.context.reset();
    run.own_activation = {};
    return made;
  }
  run.ready.store(true, std::memory_order_release);
  return {};
}

Result<void> TensorRTLane::set_up(BucketRun& run) {
  const tensorrt::LogScope log(*options_.log);
  const std::string what = options_.name + ", batch " + std::to_string(run.bucket.size);
  const auto refuse = [&](const std::string& step) {
    return Error{ErrorCode::PLAN_INVALID,
                 "TensorRT fails to " + step + " for " + what + "; it says: " + log.errors()};
  };
  run.context = engine_.create_context();
  if (run.context == nullptr) {
    Error error = refuse("make an execution context");
    if (log.says_out_of_memory()) {
      error.code = ErrorCode::OUT_OF_MEMORY;
      error.message += " (" + cuda::free_memory(*context_) + ")";
    }
    return error;
  }
  if (!run.context->set_profile(run.bucket.profile, setup_stream_.get()))
    return refuse("take an optimisation profile");
  const auto set_address = [&](const std::string& name, const BatchLayout::Tensor& tensor) {
    return run.context->set_address(name, address(buffers_.get() + tensor.offset));
  };
  for (std::size_t i = 0; i < device_layout_.inputs.size(); ++i) {
    const TensorShape& input = options_.shape->inputs[i];
    std::vector<std::int64_t> dims = {run.bucket.size};
    dims.insert(dims.end(), input.item.begin(), input.item.end());
    if (!run.context->set_input_shape(input.name, dims))
      return refuse("take the shape of '" + input.name + "'");
    if (!set_address(input.name, device_layout_.inputs[i]))
      return refuse("take the address of '" + input.name + "'");
  }
  for (std::size_t i = 0; i < device_layout_.outputs.size(); ++i) {
    const std::string& output = options_.shape->outputs[i].name;
    if (!set_address(output, device_layout_.outputs[i]))
      return refuse("take the address of '" + output + "'");
  }
  return {};
}

/// The activation memory of a bucket. If it is smaller than its profile's maximum, the context reports less
/// than the profile needs.
std::int64_t TensorRTLane::activation_bytes_of(const BucketRun& run) const {
  const bool is_below = run.bucket.size < run.bucket.profile_max;
  const std::int64_t bytes = is_below && run.context != nullptr ? run.context->activation_bytes() : 0;
  return bytes > 0 ? bytes : engine_.activation_bytes(run.bucket.profile);
}

/// Allocates the block of activation memory that the contexts share. Its size comes from the largest bucket
/// of each profile; a context is made for that only if the bucket is smaller than the profile's maximum.
Result<void> TensorRTLane::allocate_activations() {
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    BucketRun& run = runs_[i];
    if (i + 1 < runs_.size() && runs_[i + 1].bucket.profile == run.bucket.profile) continue;
    if (run.bucket.size < run.bucket.profile_max)
      if (auto made = set_up(run); !made) return made;
    activation_bytes_ = std::max(activation_bytes_, activation_bytes_of(run));
  }
  if (activation_bytes_ > 0) {
    auto memory = cuda::allocate_device(context_, static_cast<std::size_t>(activation_bytes_),
                                        "the activations of " + options_.name);
    if (!memory) return memory.error();
    activation_ = std::move(memory).value();
  }
  for (BucketRun& run : runs_) {
    if (run.context == nullptr) continue;
    if (auto given = give_activations(run); !given) return given;
    run.ready = true;
  }
  if (const Status status = context_->driver().stream_synchronize(setup_stream_.get()))
    return failure(context_->driver(), status, "setting up " + options_.name);
  return {};
}

Result<void> TensorRTLane::give_activations(BucketRun& run) {
  const tensorrt::LogScope log(*options_.log);
  const std::int64_t bytes = activation_bytes_of(run);
  if (bytes <= activation_bytes_) {
    if (activation_bytes_ > 0)
      run.context->set_activation_memory(address(activation_.get()), activation_bytes_);
    return {};
  }
  // TensorRT does not guarantee that a smaller batch needs no more memory than a larger one.
  auto memory = cuda::allocate_device(
      context_, static_cast<std::size_t>(bytes),
      "the activations of " + options_.name + ", batch " + std::to_string(run.bucket.size));
  if (!memory) return memory.error();
  run.own_activation = std::move(memory).value();
  run.context->set_activation_memory(address(run.own_activation.get()), bytes);
  return {};
}

TensorRTLane::BucketRun& TensorRTLane::bucket_for(int series) {
  const auto found = std::find_if(runs_.begin(), runs_.end(),
                                  [&](const BucketRun& run) { return run.bucket.size >= series; });
  return found == runs_.end() ? runs_.back() : *found;
}

/// After a failure of a started batch: work on the stream still uses the batch's memory, so waits for it. If
/// even that fails, it is unknown when the memory is free, and the lane can no longer be used.
Error TensorRTLane::drained(Error error) {
  const cuda::Driver& driver = context_->driver();
  issued_ = nullptr;
  const Status status = driver.stream_synchronize(stream_.get());
  if (status == kSuccess || error.code == ErrorCode::DEVICE_LOST) return error;
  Error second = failure(driver, status, options_.name + " cannot be waited for");
  second.code = ErrorCode::DEVICE_LOST;
  second.message = error.message + "; " + second.message;
  return second;
}

Error TensorRTLane::run_failure(const std::string& errors) const {
  return {ErrorCode::RUN, "TensorRT fails to run on " + options_.name + "; it says: " + errors};
}

Result<void> TensorRTLane::issue(std::byte* staging, int series, bool poll) {
  const CurrentContext current(*context_);
  if (current.status() != kSuccess)
    return failure(context_->driver(), current.status(), "using GPU " + std::to_string(context_->ordinal()));
  BucketRun& run = bucket_for(series);
  if (!run.ready.load(std::memory_order_acquire)) {
    ++options_.making->needed;
    const Result<void> made = make_context(run);
    --options_.making->needed;
    if (!made) return made;
  }
  if (options_.cuda_graphs && run.has_run && !run.capture_tried) capture(run);
  if (auto put = put_on_stream(staging, series, run); !put) return drained(put.error());
  issued_ = &run;
  issued_graph_ = static_cast<bool>(run.graph);
  polls_ = poll;
  issued_at_ = Clock::now();
  return {};
}

Result<void> TensorRTLane::put_on_stream(std::byte* staging, int series, BucketRun& run) {
  const cuda::Driver& driver = context_->driver();
  const auto stream = stream_.get();
  const auto count = static_cast<std::size_t>(series);
  const auto record = [&](const cuda::Event& event) { return driver.event_record(event.get(), stream); };
  const auto failed = [&](Status status, const char* doing) {
    return failure(driver, status, std::string(doing) + " on " + options_.name);
  };

  if (const Status status = record(begun_)) return failed(status, "recording an event");
  const DevicePointer buffers = buffers_.get();
  for (std::size_t i = 0; i < device_layout_.inputs.size(); ++i) {
    const auto [item, offset] = device_layout_.inputs[i];
    const std::byte* const from = staging + staging_layout_.inputs[i].offset;
    if (const Status status = driver.copy_in_async(buffers + offset, from, count * item, stream))
      return failed(status, "copying inputs to the GPU");
  }
  if (const Status status = record(copied_in_)) return failed(status, "recording an event");
  if (auto enqueued = enqueue(run); !enqueued) return enqueued;
  if (const Status status = record(ran_)) return failed(status, "recording an event");
  for (std::size_t i = 0; i < device_layout_.outputs.size(); ++i) {
    const auto [item, offset] = device_layout_.outputs[i];
    std::byte* const to = staging + staging_layout_.outputs[i].offset;
    if (const Status status = driver.copy_out_async(to, buffers + offset, count * item, stream))
      return failed(status, "copying predictions from the GPU");
  }
  if (const Status status = record(copied_out_)) return failed(status, "recording an event");
  return {};
}

Result<void> TensorRTLane::enqueue(BucketRun& run) {
  if (run.graph) {
    const Status status = context_->driver().graph_launch(run.graph.get(), stream_.get());
    if (status == kSuccess) return {};
    return failure(
        context_->driver(), status,
        "launching the graph of batch " + std::to_string(run.bucket.size) + " on " + options_.name);
  }
  const tensorrt::LogScope log(*options_.log);
  if (run.context->enqueue(stream_.get())) return {};
  return run_failure(log.errors());
}

void TensorRTLane::capture(BucketRun& run) {
  run.capture_tried = true;
  auto graph = capture_run(context_, stream_.get(), *run.context, *options_.log);
  if (options_.captured) options_.captured(graph.ok() ? "" : graph.error().message);
  if (graph.ok()) run.graph = std::move(graph).value();
}

/// Sleeps until the end is near, then polls, and sleeps again if the run takes unusually long. Being woken by
/// the driver can cost more than a tenth of a run, and polling for the whole wait costs a core, so only short
/// runs are polled throughout.
Status TensorRTLane::wait_for_end(const BucketRun& run) {
  const cuda::Driver& driver = context_->driver();
  const auto margin = std::max<Clock::duration>(run.usual / 8, kNear);
  const LeaveToPoll whole(run.usual <= kShort);
  if (run.usual > margin && !whole.given()) std::this_thread::sleep_until(issued_at_ + run.usual - margin);
  const auto patience = issued_at_ + run.usual + margin;
  while (true) {
    const Status status = driver.event_query(copied_out_.get());
    if (status != cuda::kNotReady) return status;
    if (Clock::now() >= patience) return driver.event_synchronize(copied_out_.get());
    pause_processor();
  }
}

Result<RunReport> TensorRTLane::finish() {
  const CurrentContext current(*context_);
  const cuda::Driver& driver = context_->driver();
  const auto failed = [&](Status status, const char* doing) {
    return drained(failure(driver, status, std::string(doing) + " " + options_.name));
  };
  if (current.status() != kSuccess) return failed(current.status(), "using");
  BucketRun* const run = std::exchange(issued_, nullptr);
  const Status waited = polls_ ? driver.stream_synchronize(stream_.get()) : wait_for_end(*run);
  if (waited != kSuccess) return failed(waited, "running on");

  RunReport report;
  report.bucket = run->bucket.size;
  report.graph = issued_graph_;
  const auto elapsed = [&](const cuda::Event& from, const cuda::Event& to, double& microseconds) {
    float milliseconds = 0;
    const Status status = driver.event_elapsed(&milliseconds, from.get(), to.get());
    microseconds = 1000.0 * static_cast<double>(milliseconds);
    return status;
  };
  Status status = elapsed(begun_, copied_in_, report.copy_in_us);
  if (status == kSuccess) status = elapsed(copied_in_, ran_, report.run_us);
  if (status == kSuccess) status = elapsed(ran_, copied_out_, report.copy_out_us);
  if (status != kSuccess) return failed(status, "timing a run on");
  const auto took = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double, std::micro>(report.copy_in_us + report.run_us + report.copy_out_us));
  run->usual = run->has_run ? run->usual + (took - run->usual) / 4 : took;
  run->has_run = true;
  return report;
}

Result<void> TensorRTLane::warm_up(std::byte* staging) {
  for (const BucketRun& run : runs_) {
    const int runs = options_.cuda_graphs && !run.capture_tried ? 2 : 1;
    for (int i = 0; i < runs; ++i) {
      const int series = std::min(run.bucket.size, options_.max_batch);
      if (auto issued = issue(staging, series, true); !issued) return issued;
      if (auto finished = finish(); !finished) return finished.error();
    }
  }
  return {};
}

}  // namespace tft

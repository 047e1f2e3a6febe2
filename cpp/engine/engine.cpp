// TFTTensorRTEngine: loads a plan on each device, gives every lane a thread, and lets the batch queue feed
// them.
#include "tft/engine.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "engine/batch_queue.h"
#include "engine/no_exceptions.h"
#include "engine/option_checks.h"
#include "tensorrt/device_engine.h"
#include "tensorrt/lane.h"
#include "tensorrt/libraries.h"
#include "tensorrt/plan_check.h"

namespace tft {
namespace {

constexpr int kMostLanes = 64;
/// Long enough for a caller who sends the next request when it has got its answer, short beside a run.
constexpr std::chrono::microseconds kSpin{50};
constexpr std::size_t kMostPinned = std::size_t{256} << 20;  // carriers may take more

Result<ItemBytes> item_bytes(const ModelShape& shape) {
  const auto bytes = [](const TensorShape& tensor, ElementType type, std::size_t& result) {
    result = 4;  // of a float and of an int32
    for (const std::int64_t size : tensor.item) {
      if (size < 1) return false;
      result *= static_cast<std::size_t>(size);
    }
    return tensor.type == type && !tensor.item.empty();
  };
  constexpr std::array kTypes = {ElementType::FLOAT32, ElementType::INT32, ElementType::FLOAT32,
                                 ElementType::INT32};
  ItemBytes all;
  for (std::size_t i = 0; i < kTypes.size(); ++i)
    if (!bytes(shape.inputs[i], kTypes[i], all.inputs[i]))
      return option_error("the model's input '" + shape.inputs[i].name + "' has a wrong type or size");
  if (!bytes(shape.output, ElementType::FLOAT32, all.output))
    return option_error("the model's output '" + shape.output.name + "' has a wrong type or size");
  return all;
}

std::optional<Error> check_options(const EngineOptions& options, const LibraryReport& report) {
  if (auto error = in_range("lanes", options.lanes, 1, kMostLanes)) return error;
  if (options.queue_limit < 1)
    return option_error("queueLimit: found " + std::to_string(options.queue_limit) + ", expected at least 1");
  if (options.devices.empty()) return option_error("devices: the list is empty; at least one is expected");
  for (const int device : options.devices)
    if (auto error = check_device(device, report)) return error;
  if (std::set<int>(options.devices.begin(), options.devices.end()).size() != options.devices.size())
    return option_error("devices: one is named twice; its number of lanes is an option of its own");
  return std::nullopt;
}

/// Waits for a completion on the caller's thread.
class Answer {
 public:
  static void receive(RequestId, const Result<Timing>& result, void* user) noexcept {
    auto* const answer = static_cast<Answer*>(user);
    // Notified with the mutex held: the waiter owns the answer and may be gone as soon as it is let go.
    const std::lock_guard lock(answer->mutex_);
    answer->result_ = result;
    answer->arrived_.notify_one();
  }
  Result<Timing> wait() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return result_.has_value(); });
    return *result_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::optional<Result<Timing>> result_;
};

}  // namespace

class TFTTensorRTEngine::Impl {
 public:
  Impl(ModelShape shape, EngineOptions options) : shape_(std::move(shape)), options_(std::move(options)) {}
  ~Impl() { close(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Result<void> load(std::span<const std::byte> plan);
  Result<Timing> predict(std::span<const Part> parts);
  Result<void> warm_up();
  void close();

  BatchQueue& queue() { return *queue_; }
  const BatchQueue& queue() const { return *queue_; }
  const EngineInfo& info() const { return info_; }

 private:
  Result<void> load_devices(const Libraries& libraries, std::span<const std::byte> plan);
  Result<void> make_lanes(const ItemBytes& bytes, const std::vector<Bucket>& buckets);
  Result<void> make_queue(const ItemBytes& bytes);
  void describe(const Libraries& libraries, std::span<const std::byte> plan);
  void work(int number);
  void note_capture(const std::string& why);
  void note_loss(const Error& error);
  void log(LogLevel level, const std::string& message) const {
    if (options_.log) options_.log(level, message);
  }

  // Members are destroyed in reverse: lanes before the plans that they run, staging memory after everything
  // that copies.
  const ModelShape shape_;
  const EngineOptions options_;
  EngineInfo info_;
  ItemBytes bytes_;
  int max_batch_ = 0;
  std::vector<Bucket> buckets_;
  std::vector<std::unique_ptr<DeviceEngine>> devices_;
  cuda::PinnedMemory pinned_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::unique_ptr<BatchQueue> queue_;
  std::vector<std::thread> threads_;
  std::atomic<bool> capture_failure_said_ = false;
  std::atomic<bool> loss_said_ = false;
  std::mutex closing_;
  bool closed_ = false;
};

// ---------------------------------------------------------------------------------------------------- load

Result<void> TFTTensorRTEngine::Impl::load(std::span<const std::byte> plan) {
  const Result<ItemBytes> bytes = item_bytes(shape_);
  if (!bytes) return bytes.error();
  bytes_ = *bytes;
  const Libraries libraries = open_libraries(options_.libraries);
  if (libraries.report.problem) return *libraries.report.problem;
  if (auto error = check_options(options_, libraries.report)) return *error;
  if (auto loaded = load_devices(libraries, plan); !loaded) return loaded;

  const auto profiles = check_plan(shape_, devices_.front()->engine());
  if (!profiles) return profiles.error();
  auto buckets = choose_buckets(*profiles, options_.max_batch);
  if (!buckets) return buckets.error();
  buckets_ = std::move(buckets).value();
  max_batch_ = options_.max_batch != 0 ? options_.max_batch : buckets_.back().size;

  if (auto made = make_lanes(bytes_, buckets_); !made) return made;
  if (auto made = make_queue(bytes_); !made) return made;
  describe(libraries, plan);
  for (int number = 0; number < static_cast<int>(lanes_.size()); ++number)
    threads_.emplace_back([this, number] { work(number); });
  return {};
}

Result<void> TFTTensorRTEngine::Impl::load_devices(const Libraries& libraries,
                                                   std::span<const std::byte> plan) {
  for (const int ordinal : options_.devices) {
    auto device = DeviceEngine::load(libraries, ordinal, plan, {options_.allow_host_code, options_.plugins},
                                     options_.log);
    if (!device) return device.error();
    devices_.push_back(std::move(device).value());
  }
  return {};
}

Result<void> TFTTensorRTEngine::Impl::make_lanes(const ItemBytes& bytes, const std::vector<Bucket>& buckets) {
  // Neighbours are on different devices, since the queue takes the idle lane with the lowest number.
  for (int i = 0; i < options_.lanes; ++i) {
    for (const auto& device : devices_) {
      LaneOptions lane;
      lane.name = "lane " + std::to_string(i) + " of GPU " + std::to_string(device->context()->ordinal());
      lane.shape = &shape_;
      lane.bytes = bytes;
      lane.buckets = buckets;
      lane.max_batch = max_batch_;
      lane.cuda_graphs = options_.cuda_graphs;
      lane.log = &options_.log;
      lane.captured = [this](const std::string& why) { note_capture(why); };
      auto made = Lane::create(device->context(), device->engine(), std::move(lane));
      if (!made) return made.error();
      lanes_.push_back(std::move(made).value());
    }
  }
  return {};
}

Result<void> TFTTensorRTEngine::Impl::make_queue(const ItemBytes& bytes) {
  // For each lane a batch that runs and one that fills, and two for bursts, unless batches are huge: what
  // then waits in ordinary memory is copied twice, which is little beside its run.
  const std::size_t each = staging_bytes(bytes, max_batch_);
  const std::size_t carriers = 2 * lanes_.size();
  const std::size_t affordable = kMostPinned / each;
  const std::size_t filling = affordable > carriers ? std::min(affordable - carriers, carriers + 2) : 0;
  const std::size_t batches = carriers + filling;
  const cuda::ContextPointer& context = devices_.front()->context();
  const cuda::CurrentContext current(*context);
  if (current.status() != cuda::kSuccess)
    return failure(context->driver(), current.status(), "making staging memory");
  auto pinned = cuda::allocate_pinned(context, batches * each, "staging memory");
  if (!pinned) return pinned.error();
  pinned_ = std::move(pinned).value();
  info_.pinned_bytes = batches * each;

  BatchQueue::Options queue;
  queue.bytes = bytes;
  queue.max_batch = max_batch_;
  queue.queue_limit = options_.queue_limit;
  queue.lanes = static_cast<int>(lanes_.size());
  if (std::thread::hardware_concurrency() > 1) queue.spin = kSpin;
  for (std::size_t i = 0; i < batches; ++i)
    (i < carriers ? queue.carriers : queue.pinned)
        .push_back(Staging::within(static_cast<std::byte*>(pinned_.get()) + i * each, bytes, max_batch_));
  queue_ = std::make_unique<BatchQueue>(std::move(queue));
  return {};
}

void TFTTensorRTEngine::Impl::describe(const Libraries& libraries, std::span<const std::byte> plan) {
  const LibraryReport& report = libraries.report;
  info_.tensorrt_path = report.tensorrt_path;
  info_.tensorrt_version = report.tensorrt.text();
  info_.lean = report.lean;
  info_.cuda_path = report.cuda_path;
  info_.cuda_version = report.cuda_version;
  for (const auto& device : devices_) {
    LaneDevice one;
    one.device = report.devices[static_cast<std::size_t>(device->context()->ordinal())];
    one.lanes = options_.lanes;
    one.weights_bytes = device->weights_bytes();
    // Lanes alternate between devices, so the first ones are of one device each, in their order.
    const Lane& lane = *lanes_[info_.devices.size()];
    one.activation_bytes = static_cast<std::uint64_t>(lane.activation_bytes());
    one.buffer_bytes = lane.buffer_bytes();
    info_.devices.push_back(std::move(one));
  }
  info_.max_batch = max_batch_;
  for (const Bucket& bucket : buckets_) info_.buckets.push_back(bucket.size);
  info_.plan_bytes = plan.size();
  info_.cuda_graphs = options_.cuda_graphs;
  log(LogLevel::INFO,
      "TensorRT " + info_.tensorrt_version + (info_.lean ? " (lean)" : "") + " runs the plan on " +
          std::to_string(lanes_.size()) + " lanes, batches up to " + std::to_string(max_batch_) + ", " +
          cuda::readable_bytes(info_.devices.front().activation_bytes) + " of activations for each lane");
}

void TFTTensorRTEngine::Impl::close() {
  const std::lock_guard lock(closing_);
  if (closed_) return;
  closed_ = true;
  if (queue_ != nullptr) queue_->close();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  lanes_.clear();
  pinned_.reset();
  devices_.clear();
}

// ---------------------------------------------------------------------------------------------------- run

/// A lane's thread. It issues the next batch before it hands out the results of the last one, so that the
/// device has work.
void TFTTensorRTEngine::Impl::work(int number) {
  Lane& lane = *lanes_[static_cast<std::size_t>(number)];
  BatchQueue::Batch* batch = nullptr;
  Result<void> issued;
  while (true) {
    if (batch == nullptr) {
      batch = queue_->wait(number);
      if (batch == nullptr) return;
      issued = lane.issue(batch->staging(), batch->servers(), options_.poll);
    }
    const Result<RunReport> result = issued.ok() ? lane.finish() : issued.error();
    if (!result && result.error().code == ErrorCode::DEVICE_LOST) note_loss(result.error());
    BatchQueue::Batch* const next = queue_->next(number, batch);
    if (next != nullptr) issued = lane.issue(next->staging(), next->servers(), options_.poll);
    queue_->deliver(batch, result);
    batch = next;
  }
}

Result<Timing> TFTTensorRTEngine::Impl::predict(std::span<const Part> parts) {
  const Result<std::int64_t> counted = check_parts(parts);
  if (!counted) return counted.error();
  if (*counted <= max_batch_) {
    const int servers = static_cast<int>(*counted);
    const auto leased = queue_->try_lease(servers);
    if (!leased) return leased.error();
    if (leased->has_value()) {
      const BatchQueue::Lease& lease = **leased;
      Lane& lane = *lanes_[static_cast<std::size_t>(lease.lane)];
      const Staging& staging = lease.batch->staging();
      copy_in(bytes_, parts, 0, servers, staging, 0);
      const Result<void> issued = lane.issue(staging, servers, true);
      const Result<RunReport> result = issued.ok() ? lane.finish() : issued.error();
      if (result.ok()) copy_out(bytes_, parts, 0, servers, staging, 0);
      if (!result && result.error().code == ErrorCode::DEVICE_LOST) note_loss(result.error());
      queue_->end_lease(lease, servers, &result);
      if (!result) return result.error();
      return Timing{0, result->copy_in_us, result->run_us, result->copy_out_us, servers, result->bucket};
    }
  }
  Answer answer;
  Request request;
  request.parts = parts;
  request.completion = &Answer::receive;
  request.user = &answer;
  const Result<RequestId> id = queue_->submit(request);
  if (!id) return id.error();
  return answer.wait();
}

Result<void> TFTTensorRTEngine::Impl::warm_up() {
  // Not lanes_.size(): another thread may be closing. The lease is refused then.
  const int lanes = options_.lanes * static_cast<int>(options_.devices.size());
  for (int number = 0; number < lanes; ++number) {
    const auto lease = queue_->lease_lane(number);
    if (!lease) return lease.error();
    const Staging& staging = lease->batch->staging();
    // Zeros are valid for every model: code 0 is 'unknown' in each category.
    for (std::size_t i = 0; i < staging.inputs.size(); ++i)
      std::memset(staging.inputs[i], 0, static_cast<std::size_t>(max_batch_) * bytes_.inputs[i]);
    const Result<void> warm = lanes_[static_cast<std::size_t>(number)]->warm_up(staging);
    if (!warm && warm.error().code == ErrorCode::DEVICE_LOST) note_loss(warm.error());
    queue_->end_lease(*lease, 0, nullptr);
    if (!warm) return warm;
  }
  return {};
}

void TFTTensorRTEngine::Impl::note_capture(const std::string& why) {
  queue_->count_capture(why.empty());
  if (!why.empty() && !capture_failure_said_.exchange(true))
    log(LogLevel::WARN, "no CUDA graphs, runs are enqueued plainly: " + why);
}

void TFTTensorRTEngine::Impl::note_loss(const Error& error) {
  queue_->lose(error);
  if (!loss_said_.exchange(true)) log(LogLevel::ERROR, error.message);
}

// ---------------------------------------------------------------------------------------------------- the
// public face

TFTTensorRTEngine::TFTTensorRTEngine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TFTTensorRTEngine::~TFTTensorRTEngine() = default;

Result<std::unique_ptr<TFTTensorRTEngine>> TFTTensorRTEngine::load(std::span<const std::byte> plan,
                                                                   const ModelShape& shape,
                                                                   const EngineOptions& options) {
  return without_exceptions<std::unique_ptr<TFTTensorRTEngine>>(
      "loading", [&]() -> Result<std::unique_ptr<TFTTensorRTEngine>> {
        auto impl = std::make_unique<Impl>(shape, options);
        if (auto loaded = impl->load(plan); !loaded) return loaded.error();
        return std::unique_ptr<TFTTensorRTEngine>(new TFTTensorRTEngine(std::move(impl)));
      });
}

Result<Timing> TFTTensorRTEngine::predict(const Inputs& inputs, int batch, float* out) {
  const Part part{inputs, batch, out};
  return impl_->predict({&part, 1});
}

Result<Timing> TFTTensorRTEngine::predict_batch(std::span<const Part> parts) { return impl_->predict(parts); }

Result<RequestId> TFTTensorRTEngine::submit(const Request& request) { return impl_->queue().submit(request); }

bool TFTTensorRTEngine::cancel(RequestId id) { return impl_->queue().cancel(id); }

Result<void> TFTTensorRTEngine::warmup() { return impl_->warm_up(); }

void TFTTensorRTEngine::close() { impl_->close(); }

const EngineInfo& TFTTensorRTEngine::info() const { return impl_->info(); }

Counters TFTTensorRTEngine::counters() const { return impl_->queue().counters(); }

}  // namespace tft

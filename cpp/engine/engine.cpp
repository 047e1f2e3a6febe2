// TFTEngine: runs each lane on its own thread, with batches from the batch queue.
#include "tft/engine.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#if defined(__linux__)
#include <sys/resource.h>
#endif

#include "engine/batch_queue.h"
#include "engine/lane.h"
#include "engine/option_checks.h"

namespace tft {
namespace {

/// Long enough for a caller that submits its next request after each result; short compared with a run.
constexpr std::chrono::microseconds kSpin{50};
/// How long preparation in the background waits for a first request after loading. A runtime sets up one
/// thing at a time, so preparing at once would delay that request.
constexpr std::chrono::milliseconds kHeadStart{250};
/// More threads do not copy faster: memory bandwidth is the limit.
constexpr unsigned kMaxHelpers = 8;
constexpr std::size_t kMaxPinnedBytes = std::size_t{256} << 20;  // bounce buffers may take more

/// Waits for a completion on the caller's thread.
class Answer {
 public:
  static void receive(RequestId, const Result<Timing>& result, void* user) noexcept {
    auto* const answer = static_cast<Answer*>(user);
    // Notify with the mutex held: once it is released, the waiter may destroy this object.
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

/// Of this thread. A sandbox may forbid it.
void lower_priority(int nice) {
#if defined(__linux__)
  // To Linux each thread has a priority of its own; 0 is this thread.
  if (nice > 0) (void)setpriority(PRIO_PROCESS, 0, std::min(getpriority(PRIO_PROCESS, 0) + nice, 19));
#else
  (void)nice;
#endif
}

}  // namespace

class TFTEngine::Impl {
 public:
  Impl(std::unique_ptr<LaneFactory> factory, EngineOptions options)
      : options_(std::move(options)), factory_(std::move(factory)), max_batch_(factory_->max_batch()) {}
  ~Impl() { close(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Result<void> start(const ModelShape& shape);
  Result<Timing> predict(std::span<const Part> parts, bool check);
  Result<void> warm_up();
  void close();

  BatchQueue& queue() { return *queue_; }
  const BatchQueue& queue() const { return *queue_; }
  const EngineInfo& info() const { return info_; }
  const std::vector<std::byte>& runtime_cache() const { return runtime_cache_; }

 private:
  Result<void> make_queue(const ModelShape& shape);
  void work(int number);
  void prepare();
  void note_served();
  void note_capture(const std::string& why);
  void note_loss(const Error& error);
  void log(LogLevel level, const std::string& message) const {
    if (options_.log) options_.log(level, message);
  }

  // Members are destroyed in reverse order: the queue and the lanes before the factory, which owns the model
  // and the staging memory that they use.
  const EngineOptions options_;
  std::unique_ptr<LaneFactory> factory_;
  const int max_batch_;
  EngineInfo info_;
  BatchLayout layout_;  // of the maximum batch
  int lane_count_ = 0;  // safe to read while another thread closes
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::unique_ptr<BatchQueue> queue_;
  std::vector<std::thread> threads_;
  std::atomic<bool> capture_failure_said_ = false;
  std::atomic<bool> loss_said_ = false;
  std::thread preparer_;
  std::mutex preparing_;  // guards served_ and stopping_
  std::condition_variable preparing_changed_;
  std::atomic<bool> served_ = false;  // the first forecast was made
  std::atomic<bool> stopping_ = false;
  std::mutex closing_;
  bool closed_ = false;
  std::vector<std::byte> runtime_cache_;  // from `close` on
};

Result<void> TFTEngine::Impl::start(const ModelShape& shape) {
  const Result<ItemBytes> bytes = item_bytes(shape);
  if (!bytes) return bytes.error();
  layout_ = BatchLayout(*bytes, max_batch_);
  if (auto error = check_engine_options(options_)) return *error;
  auto lanes = factory_->make_lanes([this](const std::string& why) { note_capture(why); });
  if (!lanes) return lanes.error();
  lanes_ = std::move(lanes).value();
  lane_count_ = static_cast<int>(lanes_.size());
  if (auto made = make_queue(shape); !made) return made;
  factory_->describe(info_);
  for (int number = 0; number < lane_count_; ++number)
    threads_.emplace_back([this, number] { work(number); });
  queue_->await_lanes();
  preparer_ = std::thread([this] { prepare(); });
  return {};
}

Result<void> TFTEngine::Impl::make_queue(const ModelShape& shape) {
  // Pinned memory for two bounce buffers and two filling batches for each lane, plus two for bursts, unless
  // batches are huge. Batches beyond that wait in ordinary memory and are copied twice, which is cheap
  // compared with a run.
  const std::size_t each = layout_.bytes;
  const std::size_t bounce_buffers = 2 * lanes_.size();
  const std::size_t affordable = kMaxPinnedBytes / each;
  const std::size_t filling =
      affordable > bounce_buffers ? std::min(affordable - bounce_buffers, bounce_buffers + 2) : 0;
  const std::size_t batches = bounce_buffers + filling;
  const auto pinned = factory_->allocate_staging(batches * each);
  if (!pinned) return pinned.error();
  info_.pinned_bytes = batches * each;

  BatchQueue::Options queue;
  queue.layout = layout_;
  queue.shape = shape;
  queue.max_batch = max_batch_;
  queue.queue_limit = options_.queue_limit;
  queue.lanes = lane_count_;
  queue.split_from = options_.split_from == kSplitAsSuits ? factory_->split_from() : options_.split_from;
  queue.for_device = factory_->is_device();
  const unsigned processors = std::thread::hardware_concurrency();
  if (processors > 1) queue.spin = kSpin;
  queue.helpers = static_cast<int>(std::min(kMaxHelpers, processors / 2));
  for (std::size_t i = 0; i < batches; ++i)
    (i < bounce_buffers ? queue.bounce_buffers : queue.pinned).push_back(*pinned + i * each);
  queue_ = std::make_unique<BatchQueue>(std::move(queue));
  return {};
}

void TFTEngine::Impl::close() {
  const std::lock_guard lock(closing_);
  if (closed_) return;
  closed_ = true;
  {
    const std::lock_guard preparing(preparing_);
    stopping_ = true;
    preparing_changed_.notify_all();
  }
  if (queue_ != nullptr) queue_->close();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  if (preparer_.joinable()) preparer_.join();
  lanes_.clear();
  if (!loss_said_) runtime_cache_ = factory_->runtime_cache();
  factory_.reset();
}

/// After the first forecast, sets up the smallest and the largest batch on all lanes, and the parts of a lone
/// one. If that fails, the run that needs it tries again and reports the error.
void TFTEngine::Impl::prepare() {
  {
    std::unique_lock lock(preparing_);
    preparing_changed_.wait_for(lock, kHeadStart, [this] { return served_ || stopping_; });
  }
  for (const int series : {1, max_batch_, queue_->lone_part(max_batch_)}) {
    for (const auto& lane : lanes_) {
      if (stopping_) return;
      if (const auto prepared = lane->prepare(series); !prepared)
        return log(LogLevel::WARN, "preparing in advance failed: " + prepared.error().message);
    }
  }
}

void TFTEngine::Impl::note_served() {
  if (served_.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(preparing_);
  served_ = true;
  preparing_changed_.notify_all();
}

/// A lane's thread. It issues the next batch before it delivers the results of the last one, so that the
/// device stays busy.
void TFTEngine::Impl::work(int number) {
  lower_priority(options_.nice);
  Lane& lane = *lanes_[static_cast<std::size_t>(number)];
  BatchQueue::Batch* batch = nullptr;
  Result<void> issued;
  while (true) {
    if (batch == nullptr) {
      batch = queue_->wait(number);
      if (batch == nullptr) return;
      issued = lane.issue(batch->staging(), batch->series(), options_.poll);
    }
    const Result<RunReport> result = issued.ok() ? lane.finish() : issued.error();
    if (!result && result.error().code == ErrorCode::DEVICE_LOST) note_loss(result.error());
    BatchQueue::Batch* const next = queue_->next(number, batch);
    if (next != nullptr) issued = lane.issue(next->staging(), next->series(), options_.poll);
    queue_->deliver(batch, result);
    note_served();
    batch = next;
  }
}

Result<Timing> TFTEngine::Impl::predict(std::span<const Part> parts, bool check) {
  const Result<std::int64_t> counted = check_parts(layout_, parts);
  if (!counted) return counted.error();
  if (*counted <= max_batch_) {
    const int series = static_cast<int>(*counted);
    const auto leased = queue_->try_lease(series);
    if (!leased) return leased.error();
    if (leased->has_value()) {
      const BatchQueue::Lease& lease = **leased;
      Lane& lane = *lanes_[static_cast<std::size_t>(lease.lane)];
      std::byte* const staging = lease.batch->staging();
      if (const auto bad = queue_->fill(lease, parts, series, check)) {
        const Result<RunReport> refused = *bad;
        queue_->end_lease(lease, series, &refused);
        return *bad;
      }
      const Result<void> issued = lane.issue(staging, series, true);
      const Result<RunReport> result = issued.ok() ? lane.finish() : issued.error();
      if (result.ok()) copy_out(layout_, parts, 0, series, staging, 0, queue_->helpers());
      if (!result && result.error().code == ErrorCode::DEVICE_LOST) note_loss(result.error());
      queue_->end_lease(lease, series, &result);
      note_served();
      if (!result) return result.error();
      return Timing{0, result->copy_in_us, result->run_us, result->copy_out_us, series, result->bucket};
    }
  }
  Answer answer;
  Request request;
  request.parts = parts;
  request.completion = &Answer::receive;
  request.user = &answer;
  request.check = check;
  const Result<RequestId> id = queue_->submit(request);
  if (!id) return id.error();
  return answer.wait();
}

Result<void> TFTEngine::Impl::warm_up() {
  // Not lanes_.size(): another thread may be closing, and then the lease is refused.
  for (int number = 0; number < lane_count_; ++number) {
    const auto lease = queue_->lease_lane(number);
    if (!lease) return lease.error();
    std::byte* const staging = lease->batch->staging();
    // Zeros are valid for every model: code 0 is 'unknown' in each category.
    std::memset(staging, 0, layout_.outputs.front().offset);
    const Result<void> warm = lanes_[static_cast<std::size_t>(number)]->warm_up(staging);
    if (!warm && warm.error().code == ErrorCode::DEVICE_LOST) note_loss(warm.error());
    queue_->end_lease(*lease, 0, nullptr);
    if (!warm) return warm;
  }
  return {};
}

void TFTEngine::Impl::note_capture(const std::string& why) {
  queue_->count_capture(why.empty());
  if (!why.empty() && !capture_failure_said_.exchange(true))
    log(LogLevel::WARN, "no CUDA graph, runs are enqueued without one: " + why);
}

void TFTEngine::Impl::note_loss(const Error& error) {
  queue_->lose(error);
  if (!loss_said_.exchange(true)) log(LogLevel::ERROR, error.message);
}

TFTEngine::TFTEngine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TFTEngine::~TFTEngine() = default;

Result<std::unique_ptr<TFTEngine>> TFTEngine::over(std::unique_ptr<LaneFactory> factory,
                                                   const ModelShape& shape, const EngineOptions& options) {
  auto impl = std::make_unique<Impl>(std::move(factory), options);
  if (auto started = impl->start(shape); !started) return started.error();
  return std::unique_ptr<TFTEngine>(new TFTEngine(std::move(impl)));
}

Result<Timing> TFTEngine::predict(const Part& part, bool check) { return impl_->predict({&part, 1}, check); }

Result<Timing> TFTEngine::predict(std::span<const void* const> inputs, int batch, float* out) {
  return predict({inputs, batch, {&out, 1}});
}

Result<Timing> TFTEngine::predict_batch(std::span<const Part> parts) { return impl_->predict(parts, false); }

Result<RequestId> TFTEngine::submit(const Request& request) { return impl_->queue().submit(request); }

bool TFTEngine::cancel(RequestId id) { return impl_->queue().cancel(id); }

Result<void> TFTEngine::warmup() { return impl_->warm_up(); }

void TFTEngine::close() { impl_->close(); }

void TFTEngine::copy(void* to, const void* from, std::size_t bytes) {
  impl_->queue().helpers().copy(to, from, bytes);
}

const EngineInfo& TFTEngine::info() const { return impl_->info(); }

Counters TFTEngine::counters() const { return impl_->queue().counters(); }

const std::vector<std::byte>& TFTEngine::runtime_cache() const { return impl_->runtime_cache(); }

}  // namespace tft

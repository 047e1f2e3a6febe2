// The batch queue for callers: how requests are accepted and how they end. batch_queue.h states the rules.
#include <utility>

#include "engine/batch_queue_state.h"

namespace tft {

BatchQueue::Batch::Batch() = default;
BatchQueue::Batch::~Batch() = default;

BatchQueue::BatchQueue(Options options)
    : options_(std::move(options)),
      helpers_(options_.helpers),
      reader_(options_.layout, options_.shape, helpers_, options_.for_device),
      shared_(std::make_shared<Turn>()) {
  for (std::byte* const staging : options_.pinned) {
    auto batch = std::make_unique<Batch>();
    batch->staging_ = staging;
    free_pinned_.push_back(batch.get());
    batches_.emplace(batch.get(), std::move(batch));
  }
  free_bounce_buffers_ = options_.bounce_buffers;
  for (int lane = 0; lane < options_.lanes; ++lane) lanes_.push_back(std::make_unique<Lane>());
  counters_.batch_sizes.resize(static_cast<std::size_t>(options_.max_batch) + 1);
  completer_ = std::thread([this] { run_completions(); });
}

BatchQueue::~BatchQueue() {
  close();
  completer_.join();
}

std::optional<Error> BatchQueue::refusal(std::int64_t series) const {
  if (lost_) return *lost_;
  if (closing_) return closed_error();
  // While nothing waits, one request of any size is accepted: the limit is on what accumulates.
  if (waiting_series_ == 0) return std::nullopt;
  // Batches with cancelled requests are not full, so their number needs its own limit.
  const std::int64_t batches = waiting_batches_ + (series + options_.max_batch - 1) / options_.max_batch;
  const std::int64_t most = 2 * ((options_.queue_limit + options_.max_batch - 1) / options_.max_batch) + 1;
  if (waiting_series_ + series <= options_.queue_limit && batches <= most) return std::nullopt;
  return Error{ErrorCode::QUEUE_FULL,
               std::to_string(waiting_series_) + " series are waiting and " + std::to_string(series) +
                   " more would exceed the limit of " + std::to_string(options_.queue_limit) +
                   "; try again later or raise queueLimit",
               {},
               FullQueue{waiting_series_, series, options_.queue_limit}};
}

Result<RequestId> BatchQueue::submit(const Request& request) {
  const Result<std::int64_t> series = check_parts(options_.layout, request.parts);
  if (!series) return series.error();
  if (request.inputs == InputMemory::REVOCABLE && !can_read_revocable())
    return Error{ErrorCode::UNSUPPORTED, "this system does not allow reading memory that may be unmapped"};
  const auto state = std::make_shared<State>();
  state->completion = request.completion;
  state->user = request.user;
  state->memory = request.inputs;
  state->keep(request.parts);
  state->series = *series;
  state->deadline = request.deadline;
  state->submitted = Clock::now();

  std::unique_lock lock(mutex_);
  if (const auto error = refusal(state->series)) {
    if (error->code == ErrorCode::QUEUE_FULL) ++counters_.refused;
    return *error;
  }
  if (!place(state))
    return Error{ErrorCode::OUT_OF_MEMORY,
                 "no memory to keep " + std::to_string(state->series) + " waiting series"};
  ++open_;
  if (!state->borrows()) {
    auto error = copy_inputs(request, *state, lock);
    if (lost_) error = lost_;  // the device was lost during the copy
    if (error) {
      refuse(state, *error, lock);
      return *error;
    }
  }
  const RequestId id = state->id = ++last_id_;
  requests_.emplace(id, state);
  if (state->error) {  // a part of it has run, and failed
    std::vector<Done> done;
    fail(state, Error(*state->error), done);
    complete_later(std::move(done));
  } else if (state->deadline != Clock::time_point::max() && !state->begun) {
    const auto place_in_time = deadlines_.emplace(state->deadline, id).first;
    if (place_in_time == deadlines_.begin()) completer_wake_.notify_one();
  }
  ++counters_.accepted;
  const std::vector<Call> calls = pump();
  lock.unlock();
  wake(calls);
  return id;
}

/// Copies a request's inputs into its batches, with the mutex released. That is safe: no lane takes a batch
/// with `copying_` > 0, so its pieces do not move, and no thread withdraws a request with `submitting`. Each
/// batch but the last may run as soon as it is copied. Returns the first bad value's error if the request
/// asks for the check.
std::optional<Error> BatchQueue::copy_inputs(const Request& request, State& state,
                                             std::unique_lock<std::mutex>& lock) {
  struct Place {
    Batch* batch;
    int slot, count;
  };
  std::vector<Place> places;  // in order
  for (Batch* const batch : state.waiting_in) {
    ++batch->copying_;
    places.push_back({batch, batch->pieces_.back().slot, batch->pieces_.back().count});
  }
  std::int64_t from = 0;
  std::optional<Error> first;
  std::vector<Call> calls;
  state.submitting = true;
  for (const auto& [batch, slot, count] : places) {
    lock.unlock();
    wake(calls);
    if (request.check) {
      const BorrowedSeries series{request.parts, from, count, slot, InputMemory::COPIED};
      auto error = reader_.read({&series, 1}, batch->staging_).front();
      if (error && (!first || is_before(*error, *first))) first = std::move(error);
    } else {
      copy_in(options_.layout, request.parts, from, count, batch->staging_, slot);
    }
    from += count;
    lock.lock();
    --batch->copying_;
    calls.clear();
    if (from < state.series && !first && state.deadline > Clock::now()) calls = pump();
  }
  state.submitting = false;
  return first;
}

/// Ends a request whose inputs `submit` does not accept. A part of it may be running; its results go nowhere.
void BatchQueue::refuse(const StatePointer& state, const Error& error, std::unique_lock<std::mutex>& lock) {
  withdraw(state);
  state->error = error;
  state->refused = true;
  outputs_released_.wait(lock, [&] { return state->in_use == 0; });
  if (--open_ == 0) drained_.notify_all();
}

bool BatchQueue::cancel(RequestId id) {
  const std::lock_guard lock(mutex_);
  const auto found = requests_.find(id);
  if (found == requests_.end() || found->second->error) return false;
  const StatePointer state = found->second;
  std::vector<Done> done;
  fail(state, {ErrorCode::ABORTED, "the request was cancelled"}, done);
  complete_later(std::move(done));
  wake(pump());
  return true;
}

void BatchQueue::close() {
  std::unique_lock lock(mutex_);
  closing_ = true;
  lane_idle_.notify_all();
  drained_.wait(lock, [this] { return open_ == 0; });
  stopped_ = true;
  completer_wake_.notify_all();
  for (const auto& lane : lanes_) {
    lane->called.store(true, std::memory_order_release);
    lane->changed.notify_all();
  }
}

Counters BatchQueue::counters() const {
  const std::lock_guard lock(mutex_);
  Counters now = counters_;
  now.waiting_series = static_cast<std::uint64_t>(waiting_series_);
  return now;
}

/// Ends a request with an error: now, or when the lanes that use its arrays have finished.
void BatchQueue::fail(const StatePointer& state, const Error& error, std::vector<Done>& done) {
  if (state->submitting) {
    state->error = error;  // `submit` ends it
    return;
  }
  withdraw(state);
  state->error = error;
  if (state->in_use == 0) settle(state, error, done);
}

void BatchQueue::settle(const StatePointer& state, Result<Timing> result, std::vector<Done>& done) {
  state->settled = true;
  deadlines_.erase({state->deadline, state->id});
  requests_.erase(state->id);
  if (result.ok()) {
    ++counters_.succeeded;
  } else if (result.error().code == ErrorCode::ABORTED) {
    ++counters_.cancelled;
  } else if (result.error().code == ErrorCode::DEADLINE) {
    ++counters_.expired;
  } else {
    ++counters_.failed;
  }
  done.push_back({state, std::move(result)});
}

void BatchQueue::complete(std::vector<Done>& done) {
  if (done.empty()) return;
  for (const Done& one : done)
    if (one.state->completion != nullptr) one.state->completion(one.state->id, one.result, one.state->user);
  const std::lock_guard lock(mutex_);
  open_ -= static_cast<std::int64_t>(done.size());
  if (open_ == 0) drained_.notify_all();
}

void BatchQueue::complete_later(std::vector<Done> done) {
  if (done.empty()) return;
  std::move(done.begin(), done.end(), std::back_inserter(to_complete_));
  completer_wake_.notify_one();
}

void BatchQueue::lose(const Error& error) {
  const std::lock_guard lock(mutex_);
  if (lost_) return;
  lost_ = error;
  lane_idle_.notify_all();
  std::vector<StatePointer> waiting;
  for (const auto& [id, state] : requests_)
    if (!state->waiting_in.empty() && !state->error) waiting.push_back(state);
  std::vector<Done> done;
  for (const StatePointer& state : waiting) fail(state, error, done);
  complete_later(std::move(done));
}

/// The completion thread: ends requests whose deadline has passed, and calls the completions that lanes do
/// not call.
void BatchQueue::run_completions() {
  std::unique_lock lock(mutex_);
  while (true) {
    std::vector<Done> done = std::exchange(to_complete_, {});
    const auto now = Clock::now();
    bool expired = false;
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
      const StatePointer state = requests_.at(deadlines_.begin()->second);
      deadlines_.erase(deadlines_.begin());
      fail(state, deadline_error(), done);
      expired = true;
    }
    if (expired) wake(pump());
    if (!done.empty()) {
      lock.unlock();
      complete(done);
      done.clear();
      lock.lock();
      continue;
    }
    if (stopped_) return;
    if (deadlines_.empty()) {
      completer_wake_.wait(lock);
    } else {
      completer_wake_.wait_until(lock, Clock::time_point(deadlines_.begin()->first));
    }
  }
}

}  // namespace tft

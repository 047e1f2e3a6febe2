// The batch queue for lanes: chooses the next batch, and delivers its results.
#include <cstring>

#include "engine/batch_queue_state.h"
#include "engine/pause.h"

namespace tft {
namespace {

double microseconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

/// Spins until `called` is set, for at most `most`.
void look_out(const std::atomic<bool>& called, std::chrono::microseconds most) {
  const auto end = std::chrono::steady_clock::now() + most;
  do {
    for (int i = 0; i < 64; ++i) {
      if (called.load(std::memory_order_acquire)) return;
      pause_processor();
    }
  } while (std::chrono::steady_clock::now() < end);
}

}  // namespace

/// Begins the next batch that may run and returns it. Null if none is ready.
BatchQueue::Batch* BatchQueue::pick() {
  if (Batch* const batch = pick_from(turns_)) return batch;
  return pick_from(resting_);
}

BatchQueue::Batch* BatchQueue::pick_from(std::deque<Turn*>& turns) {
  for (std::size_t i = 0; i < turns.size();) {
    Batch* const batch = turns[i]->waiting.front();
    if (batch->copying_ > 0) {
      // It will run as soon as its copies are finished. Seal it, so that new requests go into the next batch.
      batch->sealed_ = true;
      ++i;
    } else if (begin(batch)) {
      return batch;
    }
    // If all requests of the batch were late, the batch is removed, possibly with its turn: retry the same
    // index.
  }
  return nullptr;
}

/// Takes a batch out of its turn to run it. Returns false if the deadlines of all its requests have passed.
bool BatchQueue::begin(Batch* batch) {
  const auto now = Clock::now();
  std::vector<StatePointer> late;
  for (const Batch::Piece& piece : batch->pieces_)
    if (!piece.state->begun && !piece.state->submitting && piece.state->deadline <= now)
      late.push_back(piece.state);
  if (!late.empty()) {
    const bool all = late.size() == batch->pieces_.size();
    std::vector<Done> done;
    for (const StatePointer& state : late) fail(state, deadline_error(), done);
    complete_later(std::move(done));
    if (all) return false;
  }

  const std::shared_ptr<Turn> turn = batch->turn_;
  leave_turn(batch);
  ++turn->running;
  if (!turn->waiting.empty()) {
    std::erase(turns_, turn.get());
    std::erase(resting_, turn.get());
    resting_.push_back(turn.get());
  }
  waiting_series_ -= batch->series_;
  batch->sealed_ = true;
  batch->begun_ = now;
  for (const Batch::Piece& piece : batch->pieces_) {
    State& state = *piece.state;
    std::erase(state.waiting_in, batch);
    if (state.borrows()) ++state.in_use;
    if (state.begun) continue;
    state.begun = true;
    deadlines_.erase({state.deadline, state.id});
    state.timing.queue_us = microseconds(now - state.submitted);
    counters_.queue_us += state.timing.queue_us;
  }
  ++counters_.running_batches;
  give_bounce_buffer(batch);
  return true;
}

/// Moves the turn of an ended batch from `resting_` to the back of `turns_`.
void BatchQueue::end_turn(Batch* batch) {
  if (batch == nullptr || batch->turn_ == nullptr) return;
  Turn& turn = *batch->turn_;
  --turn.running;
  if (std::erase(resting_, &turn) > 0) turns_.push_back(&turn);
}

std::vector<BatchQueue::Call> BatchQueue::pump() {
  std::vector<Call> given;
  while (!idle_.empty()) {
    const auto number = std::find_if(idle_.begin(), idle_.end(), [&](int idle) {
      return !lanes_[static_cast<std::size_t>(idle)]->wanted;
    });
    if (number == idle_.end()) break;
    Batch* const batch = pick();
    if (batch == nullptr) break;
    Lane& lane = *lanes_[static_cast<std::size_t>(*number)];
    idle_.erase(number);
    lane.assigned = batch;
    given.push_back({&lane, lane.asleep});
  }
  return given;
}

void BatchQueue::wake(const std::vector<Call>& calls) {
  for (const auto& [lane, asleep] : calls) {
    lane->called.store(true, std::memory_order_release);
    if (asleep) lane->changed.notify_one();
  }
}

bool BatchQueue::spins(int lane) const {
  return options_.spin.count() > 0 && !idle_.empty() && *idle_.begin() == lane;
}

BatchQueue::Batch* BatchQueue::wait(int lane) {
  Batch* batch = nullptr;
  do {
    batch = await_batch(lane);
  } while (batch != nullptr && !make_ready(batch));
  return batch;
}

void BatchQueue::await_lanes() {
  std::unique_lock lock(mutex_);
  lane_idle_.wait(lock, [&] { return idle_.size() == lanes_.size(); });
}

BatchQueue::Batch* BatchQueue::await_batch(int lane) {
  Lane& own = *lanes_[static_cast<std::size_t>(lane)];
  std::unique_lock lock(mutex_);
  idle_.insert(lane);
  if (own.wanted || idle_.size() == lanes_.size()) lane_idle_.notify_all();
  wake(pump());
  const auto called = [&] { return own.assigned != nullptr || stopped_; };
  if (!called() && spins(lane)) {
    lock.unlock();
    look_out(own.called, options_.spin);
    lock.lock();
  }
  own.asleep = true;
  own.changed.wait(lock, called);
  own.asleep = false;
  own.called.store(false, std::memory_order_relaxed);
  Batch* const batch = std::exchange(own.assigned, nullptr);
  if (batch == nullptr) idle_.erase(lane);
  return batch;
}

BatchQueue::Batch* BatchQueue::next(int lane, Batch* ended) {
  Batch* batch = nullptr;
  do {
    const std::lock_guard lock(mutex_);
    end_turn(std::exchange(ended, nullptr));
    batch = lanes_[static_cast<std::size_t>(lane)]->wanted ? nullptr : pick();
  } while (batch != nullptr && !make_ready(batch));
  return batch;
}

/// Copies borrowed inputs into the batch, closes the gaps of withdrawn requests, and moves series from
/// ordinary memory to the bounce buffer. The batch belongs to the lane. Returns false, and has recycled the
/// batch, if no series is left.
bool BatchQueue::make_ready(Batch* batch) {
  std::byte* const to = batch->staging();
  std::vector<BorrowedSeries> borrowed;
  int slot = 0;
  for (Batch::Piece& piece : batch->pieces_) {
    if (const State& state = *piece.state; state.borrows()) {
      piece.slot = slot;
      borrowed.push_back({state.parts, piece.from, piece.count, slot, state.memory});
    } else if (batch->bounce_buffer_ != nullptr || piece.slot != slot) {
      move_series(piece, slot, batch->staging_, to);
    }
    slot += piece.count;
  }
  return borrowed.empty() || read_borrowed(batch, borrowed);
}

void BatchQueue::move_series(Batch::Piece& piece, int slot, const std::byte* from, std::byte* to) const {
  for (const auto [item, offset] : options_.layout.inputs)
    std::memmove(to + offset + static_cast<std::size_t>(slot) * item,
                 from + offset + static_cast<std::size_t>(piece.slot) * item,
                 static_cast<std::size_t>(piece.count) * item);
  piece.slot = slot;
}

/// Copies and checks borrowed inputs, and removes requests with an error from the batch. Returns false as
/// `make_ready`.
bool BatchQueue::read_borrowed(Batch* batch, std::span<const BorrowedSeries> borrowed) {
  const std::vector<std::optional<Error>> errors = reader_.read(borrowed, batch->staging());
  const bool whole = std::none_of(errors.begin(), errors.end(), [](const auto& error) { return error; });
  {
    const std::lock_guard lock(mutex_);
    std::vector<Done> done;
    auto error = errors.begin();
    for (Batch::Piece& piece : batch->pieces_) {
      State& state = *piece.state;
      if (!state.borrows()) continue;
      const std::optional<Error>& found = *error++;
      --state.in_use;
      if (found && !state.error) {
        fail(piece.state, *found, done);
      } else if (state.error && state.in_use == 0) {
        settle(piece.state, *state.error, done);  // cancelled while it was read
      }
      piece.bad = found.has_value();
      if (piece.bad) batch->series_ -= piece.count;
    }
    complete_later(std::move(done));  // the completion thread calls them, since this lane has a batch to run
    if (whole) return true;
    std::erase_if(batch->pieces_, [](const Batch::Piece& piece) { return piece.bad; });
    if (batch->series_ == 0) {
      --counters_.running_batches;
      end_turn(batch);
      recycle(batch);
      return false;
    }
  }
  int slot = 0;
  for (Batch::Piece& piece : batch->pieces_) {
    move_series(piece, slot, batch->staging(), batch->staging());
    slot += piece.count;
  }
  return true;
}

void BatchQueue::deliver(Batch* batch, const Result<RunReport>& result) {
  {
    const std::lock_guard lock(mutex_);
    for (Batch::Piece& piece : batch->pieces_) {
      piece.handed_out = result.ok() && !piece.state->error;
      if (piece.handed_out) ++piece.state->in_use;
    }
  }
  for (const Batch::Piece& piece : batch->pieces_)
    if (piece.handed_out)
      copy_out(options_.layout, piece.state->parts, piece.from, piece.count, batch->staging(), piece.slot,
               helpers_);

  std::vector<Done> done;
  {
    const std::lock_guard lock(mutex_);
    --counters_.running_batches;
    if (result.ok()) {
      ++counters_.batches;
      ++(result->graph ? counters_.graph_launches : counters_.plain_launches);
      counters_.series += static_cast<std::uint64_t>(batch->series_);
      ++counters_.batch_sizes[static_cast<std::size_t>(batch->series_)];
      counters_.copy_in_us += result->copy_in_us;
      counters_.run_us += result->run_us;
      counters_.copy_out_us += result->copy_out_us;
    }
    for (Batch::Piece& piece : batch->pieces_) {
      const StatePointer& state = piece.state;
      if (state->refused) {
        if (piece.handed_out && --state->in_use == 0) outputs_released_.notify_all();
        continue;
      }
      if (state->settled) continue;
      if (!result.ok()) {
        if (!state->error) fail(state, result.error(), done);
        continue;
      }
      if (!piece.handed_out) continue;
      --state->in_use;
      Timing& timing = state->timing;
      if (result->run_us >= timing.run_us) {
        timing.copy_in_us = result->copy_in_us;
        timing.run_us = result->run_us;
        timing.copy_out_us = result->copy_out_us;
        timing.batch = batch->series_;
        timing.bucket = result->bucket;
      }
      if (--state->pieces_left == 0) {
        settle(state, timing, done);
      } else if (state->error && state->in_use == 0 && !state->submitting) {
        settle(state, *state->error, done);
      }
    }
    recycle(batch);
  }
  complete(done);
}

void BatchQueue::count_capture(bool succeeded) {
  const std::lock_guard lock(mutex_);
  ++(succeeded ? counters_.captures : counters_.capture_failures);
}

Result<std::optional<BatchQueue::Lease>> BatchQueue::try_lease(int series) {
  const std::lock_guard lock(mutex_);
  if (const auto error = refusal(series)) {
    // If the queue is full, no lane is idle; the caller submits instead and gets the error there.
    if (error->code != ErrorCode::QUEUE_FULL) return *error;
    return std::optional<Lease>();
  }
  const auto lane = std::find_if(idle_.begin(), idle_.end(), [&](int number) {
    return !lanes_[static_cast<std::size_t>(number)]->wanted;
  });
  if (lane == idle_.end() || waiting_batches_ > 0 || series > part_size(series))
    return std::optional<Lease>();
  Batch* const batch = take_staging();
  if (batch == nullptr) return std::optional<Lease>();
  give_bounce_buffer(batch);
  batch->series_ = series;
  const Lease lease{batch, *lane};
  idle_.erase(lane);
  ++open_;
  ++counters_.accepted;
  ++counters_.running_batches;
  return std::optional<Lease>(lease);
}

std::optional<Error> BatchQueue::fill(const Lease& lease, std::span<const Part> parts, int series,
                                      bool check) {
  std::byte* const staging = lease.batch->staging();
  if (check) {
    const BorrowedSeries all{parts, 0, series, 0, InputMemory::COPIED};
    return reader_.read({&all, 1}, staging).front();
  }
  copy_in(options_.layout, parts, 0, series, staging, 0);
  return std::nullopt;
}

Result<BatchQueue::Lease> BatchQueue::lease_lane(int lane) {
  std::unique_lock lock(mutex_);
  Lane& own = *lanes_[static_cast<std::size_t>(lane)];
  // If two callers want the same lane, the second waits here until the first has it.
  lane_idle_.wait(lock, [&] { return closing_ || lost_ || !own.wanted; });
  if (closing_ || lost_) return refusal(0).value_or(closed_error());
  own.wanted = true;
  lane_idle_.wait(lock, [&] { return closing_ || lost_ || idle_.count(lane) > 0; });
  own.wanted = false;
  lane_idle_.notify_all();
  Batch* const batch = closing_ || lost_ ? nullptr : take_staging();
  if (batch == nullptr) {
    wake(pump());  // batches that skipped this lane while it was wanted
    return refusal(0).value_or(Error{ErrorCode::OUT_OF_MEMORY, "no memory for a batch"});
  }
  give_bounce_buffer(batch);
  idle_.erase(lane);
  ++open_;
  return Lease{batch, lane};
}

void BatchQueue::end_lease(const Lease& lease, int series, const Result<RunReport>* result) {
  const std::lock_guard lock(mutex_);
  if (result != nullptr) {
    --counters_.running_batches;
    if (result->ok()) {
      const RunReport& report = **result;
      ++counters_.succeeded;
      ++counters_.batches;
      ++(report.graph ? counters_.graph_launches : counters_.plain_launches);
      counters_.series += static_cast<std::uint64_t>(series);
      ++counters_.batch_sizes[static_cast<std::size_t>(series)];
      counters_.copy_in_us += report.copy_in_us;
      counters_.run_us += report.run_us;
      counters_.copy_out_us += report.copy_out_us;
    } else {
      ++counters_.failed;
    }
  }
  recycle(lease.batch);
  idle_.insert(lease.lane);
  if (lanes_[static_cast<std::size_t>(lease.lane)]->wanted) lane_idle_.notify_all();
  if (--open_ == 0) drained_.notify_all();
  wake(pump());
}

}  // namespace tft

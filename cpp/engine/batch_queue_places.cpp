// Assigns requests to batches, and batches to turns. The queue's mutex is held throughout.
#include <new>

#include "engine/batch_queue_state.h"

namespace tft {

BatchQueue::Batch* BatchQueue::take_staging() {
  for (auto* const pool : {&free_pinned_, &free_ordinary_}) {
    if (pool->empty()) continue;
    Batch* const batch = pool->back();
    pool->pop_back();
    return batch;
  }
  auto batch = std::make_unique<Batch>();
  const std::size_t bytes = options_.layout.bytes + kTensorAlignment;
  batch->own_.reset(new (std::nothrow) std::byte[bytes]);
  if (batch->own_ == nullptr) return nullptr;
  void* start = batch->own_.get();
  std::size_t space = bytes;
  batch->staging_ =
      static_cast<std::byte*>(std::align(kTensorAlignment, bytes - kTensorAlignment, start, space));
  Batch* const made = batch.get();
  batches_.emplace(made, std::move(batch));
  return made;
}

/// Gives a batch in ordinary memory a bounce buffer, when a lane takes the batch.
void BatchQueue::give_bounce_buffer(Batch* batch) {
  if (batch->own_ == nullptr || free_bounce_buffers_.empty()) return;
  batch->bounce_buffer_ = free_bounce_buffers_.back();
  free_bounce_buffers_.pop_back();
}

/// Returns a batch to the pool. A few batches in ordinary memory are kept for the next burst.
void BatchQueue::recycle(Batch* batch) {
  batch->pieces_.clear();
  batch->turn_.reset();
  batch->used_ = batch->series_ = 0;
  batch->sealed_ = false;
  if (batch->bounce_buffer_ != nullptr)
    free_bounce_buffers_.push_back(std::exchange(batch->bounce_buffer_, nullptr));
  if (batch->own_ == nullptr) {
    free_pinned_.push_back(batch);
  } else if (free_ordinary_.size() < 2 * lanes_.size()) {
    free_ordinary_.push_back(batch);
  } else {
    batches_.erase(batch);
  }
}

int BatchQueue::lone_part(std::int64_t series) const {
  if (options_.split_from == 0 || series < options_.split_from || series > options_.max_batch)
    return options_.max_batch;
  const std::int64_t smallest = std::max(1, options_.split_from / 2);
  const std::int64_t parts = std::min<std::int64_t>(options_.lanes, series / smallest);
  return static_cast<int>((series + parts - 1) / parts);
}

/// The maximum number of series of a request in one batch.
int BatchQueue::part_size(std::int64_t series) const {
  // A lane that delivers its results runs nothing, and its caller may ask again before it is idle.
  const bool lone = waiting_batches_ == 0 && counters_.running_batches == 0;
  return lone ? lone_part(series) : options_.max_batch;
}

/// Assigns a request to batches. Returns false, with nothing changed, if memory is short.
bool BatchQueue::place(const StatePointer& state) {
  const std::int64_t most = part_size(state->series);
  const bool large = state->series > most;
  const auto turn = large ? std::make_shared<Turn>() : shared_;
  std::vector<Batch*> batches;
  if (!large && !shared_->waiting.empty()) {
    Batch* const last = shared_->waiting.back();
    if (!last->sealed_ && last->used_ + state->series <= options_.max_batch) batches.push_back(last);
  }
  if (batches.empty()) {
    const std::int64_t number = (state->series + most - 1) / most;
    for (std::int64_t i = 0; i < number; ++i) {
      Batch* const batch = take_staging();
      if (batch == nullptr) {
        for (Batch* const taken : batches) recycle(taken);
        return false;
      }
      batch->turn_ = turn;
      batches.push_back(batch);
    }
  }

  std::int64_t from = 0;
  for (Batch* const batch : batches) {
    const int count = static_cast<int>(std::min(state->series - from, large ? most : state->series));
    if (batch->used_ == 0) join_turn(batch);
    batch->pieces_.push_back({state, from, count, batch->used_});
    batch->used_ += count;
    batch->series_ += count;
    from += count;
  }
  state->waiting_in = std::move(batches);
  state->pieces_left = static_cast<int>(state->waiting_in.size());
  waiting_series_ += state->series;
  return true;
}

void BatchQueue::join_turn(Batch* batch) {
  Turn& turn = *batch->turn_;
  turn.waiting.push_back(batch);
  ++waiting_batches_;
  if (turn.waiting.size() == 1) (turn.running == 0 ? turns_ : resting_).push_back(&turn);
}

void BatchQueue::leave_turn(Batch* batch) {
  Turn& turn = *batch->turn_;
  turn.waiting.erase(std::find(turn.waiting.begin(), turn.waiting.end(), batch));
  --waiting_batches_;
  if (!turn.waiting.empty()) return;
  std::erase(turns_, &turn);
  std::erase(resting_, &turn);
}

/// Removes those pieces of a request that have not begun from their batches. Their slots stay empty: other
/// requests' pieces must not move while submitters may still write to them.
void BatchQueue::withdraw(const StatePointer& state) {
  for (Batch* const batch : state->waiting_in) {
    const auto piece = std::find_if(batch->pieces_.begin(), batch->pieces_.end(),
                                    [&](const Batch::Piece& one) { return one.state == state; });
    batch->series_ -= piece->count;
    waiting_series_ -= piece->count;
    if (piece->slot + piece->count == batch->used_) batch->used_ = piece->slot;
    batch->pieces_.erase(piece);
    if (!batch->pieces_.empty()) continue;
    leave_turn(batch);
    recycle(batch);
  }
  state->waiting_in.clear();
}

}  // namespace tft

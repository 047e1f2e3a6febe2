// The batch queue; the rules stand in batch_queue.h.
#include "batch_queue.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace tft {
namespace {

constexpr std::size_t kAlignment = 256;  // of each tensor in a staging block

std::size_t aligned(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

double microseconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

/// Calls `use(part, first server within the part, count, servers before)` for each stretch of servers from … from+count.
template <class Use>
void for_each_stretch(std::span<const Part> parts, std::int64_t from, int count, Use use) {
  std::int64_t done = 0;
  for (const Part& part : parts) {
    if (count == done) return;
    if (from >= part.batch) {
      from -= part.batch;
      continue;
    }
    const std::int64_t stretch = std::min<std::int64_t>(part.batch - from, count - done);
    use(part, static_cast<std::size_t>(from), static_cast<std::size_t>(stretch), static_cast<std::size_t>(done));
    done += stretch;
    from = 0;
  }
}

std::array<const std::byte*, 4> as_bytes(const Inputs& inputs) {
  const auto bytes = [](const void* memory) { return static_cast<const std::byte*>(memory); };
  return {bytes(inputs.encoder_cont), bytes(inputs.encoder_cat), bytes(inputs.decoder_cont), bytes(inputs.decoder_cat)};
}

Error closed_error() { return {ErrorCode::CLOSED, "the engine is closed"}; }

}  // namespace

/// Batches that run in order: the shared ones, or those of one large request.
struct Turn {
  std::deque<BatchQueue::Batch*> waiting;
  int running = 0;
};

/// A request from submit until its completion.
struct BatchQueue::State {
  RequestId id = 0;
  Completion completion = nullptr;
  void* user = nullptr;
  std::vector<Part> parts;
  std::int64_t servers = 0;
  Clock::time_point submitted;
  Clock::time_point deadline = Clock::time_point::max();
  std::vector<Batch*> waiting_in;  // batches with pieces of it that have not begun
  int pieces_left = 0;             // not handed out yet
  int handing_out = 0;             // lanes that write to its `out` now
  bool begun = false;
  bool settled = false;        // its completion is on its way: `out` must not be touched any more
  std::optional<Error> error;  // it will end with this, as soon as nobody writes to its `out`
  Timing timing;
};

/// Servers of one request inside a batch: `count` from the request's server `from` on lie from `slot` on.
struct BatchQueue::Batch::Piece {
  std::shared_ptr<State> state;
  std::int64_t from = 0;
  int count = 0;
  int slot = 0;
  bool handed_out = false;
};

/// A completion to be called without the mutex.
struct BatchQueue::Done {
  StatePointer state;
  Result<Timing> result;
};

BatchQueue::Batch::Batch() = default;
BatchQueue::Batch::~Batch() = default;

std::size_t staging_bytes(const ItemBytes& bytes, int max_batch) {
  const auto servers = static_cast<std::size_t>(max_batch);
  std::size_t all = aligned(servers * bytes.output);
  for (const std::size_t item : bytes.inputs) all += aligned(servers * item);
  return all;
}

Staging Staging::within(std::byte* block, const ItemBytes& bytes, int max_batch) {
  const auto servers = static_cast<std::size_t>(max_batch);
  Staging staging;
  for (std::size_t i = 0; i < staging.inputs.size(); ++i) {
    staging.inputs[i] = block;
    block += aligned(servers * bytes.inputs[i]);
  }
  staging.output = block;
  return staging;
}

BatchQueue::BatchQueue(Options options) : options_(std::move(options)), shared_(std::make_shared<Turn>()) {
  for (const Staging& staging : options_.pinned) {
    auto batch = std::make_unique<Batch>();
    batch->staging_ = staging;
    free_pinned_.push_back(batch.get());
    batches_.emplace(batch.get(), std::move(batch));
  }
  free_carriers_ = options_.carriers;
  for (int lane = 0; lane < options_.lanes; ++lane) lanes_.push_back(std::make_unique<Lane>());
  counters_.batch_sizes.resize(static_cast<std::size_t>(options_.max_batch) + 1);
  clerk_ = std::thread([this] { work_as_clerk(); });
}

BatchQueue::~BatchQueue() {
  close();
  clerk_.join();
}

// ---------------------------------------------------------------------------------------------------- callers

Result<std::int64_t> BatchQueue::check_parts(std::span<const Part> parts) {
  if (parts.empty()) return Error{ErrorCode::OPTION, "the request has no parts"};
  std::int64_t servers = 0;
  for (const Part& part : parts) {
    if (part.batch < 1)
      return Error{ErrorCode::OPTION, "a request's batch: found " + std::to_string(part.batch) + ", expected at least 1"};
    const Inputs& inputs = part.inputs;
    if (inputs.encoder_cont == nullptr || inputs.encoder_cat == nullptr || inputs.decoder_cont == nullptr ||
        inputs.decoder_cat == nullptr || part.out == nullptr)
      return Error{ErrorCode::OPTION, "a request's array is a null pointer"};
    servers += part.batch;
  }
  return servers;
}

std::optional<Error> BatchQueue::refusal(std::int64_t servers) const {
  if (lost_) return *lost_;
  if (closing_) return closed_error();
  // One large request is always taken when nothing waits: the limit is on what piles up.
  if (waiting_servers_ == 0) return std::nullopt;
  // Batches that lost a request are not full, so their number has a limit of its own.
  const std::int64_t batches = waiting_batches_ + (servers + options_.max_batch - 1) / options_.max_batch;
  const std::int64_t most = 2 * ((options_.queue_limit + options_.max_batch - 1) / options_.max_batch) + 1;
  if (waiting_servers_ + servers <= options_.queue_limit && batches <= most) return std::nullopt;
  return Error{ErrorCode::QUEUE_FULL,
               std::to_string(waiting_servers_) + " servers are waiting and " + std::to_string(servers) +
                   " more would pass the limit of " + std::to_string(options_.queue_limit) +
                   "; try again later or raise queueLimit"};
}

Result<RequestId> BatchQueue::submit(const Request& request) {
  const Result<std::int64_t> servers = check_parts(request.parts);
  if (!servers) return servers.error();
  const auto state = std::make_shared<State>();
  state->completion = request.completion;
  state->user = request.user;
  state->parts.assign(request.parts.begin(), request.parts.end());
  state->servers = *servers;
  state->deadline = request.deadline;
  state->submitted = Clock::now();

  std::unique_lock lock(mutex_);
  if (const auto error = refusal(state->servers)) {
    if (error->code == ErrorCode::QUEUE_FULL) ++counters_.refused;
    return *error;
  }
  if (!place(state))
    return Error{ErrorCode::OUT_OF_MEMORY, "no memory to keep " + std::to_string(state->servers) + " waiting servers"};
  // Nobody else knows the request yet, and no batch with `copying_` above 0 is taken: its pieces stay where they are.
  const std::vector<Batch*> batches = state->waiting_in;
  std::vector<std::pair<int, int>> places;  // slot and count, in order
  for (Batch* const batch : batches) places.emplace_back(batch->pieces_.back().slot, batch->pieces_.back().count);
  ++open_;
  lock.unlock();

  std::int64_t from = 0;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const auto [slot, count] = places[i];
    copy_in(options_.bytes, state->parts, from, count, batches[i]->staging_, slot);
    from += count;
  }

  lock.lock();
  for (Batch* const batch : batches) --batch->copying_;
  if (lost_) {
    // Lost while it copied: nothing can run it any more.
    withdraw(state);
    if (--open_ == 0) drained_.notify_all();
    return *lost_;
  }
  const RequestId id = state->id = ++last_id_;
  requests_.emplace(id, state);
  if (state->deadline != Clock::time_point::max()) {
    const auto place_in_time = deadlines_.emplace(state->deadline, id).first;
    if (place_in_time == deadlines_.begin()) clerk_wake_.notify_one();
  }
  ++counters_.accepted;
  pump();
  return id;
}

bool BatchQueue::cancel(RequestId id) {
  const std::lock_guard lock(mutex_);
  const auto found = requests_.find(id);
  if (found == requests_.end() || found->second->error) return false;
  const StatePointer state = found->second;
  std::vector<Done> done;
  fail(state, {ErrorCode::ABORTED, "the request was cancelled"}, done);
  hand_to_clerk(std::move(done));
  pump();
  return true;
}

void BatchQueue::close() {
  std::unique_lock lock(mutex_);
  closing_ = true;
  lane_idle_.notify_all();
  drained_.wait(lock, [this] { return open_ == 0; });
  stopped_ = true;
  clerk_wake_.notify_all();
  for (const auto& lane : lanes_) lane->changed.notify_all();
}

Counters BatchQueue::counters() const {
  const std::lock_guard lock(mutex_);
  Counters now = counters_;
  now.waiting_servers = static_cast<std::uint64_t>(waiting_servers_);
  return now;
}

// ---------------------------------------------------------------------------------------------------- places

BatchQueue::Batch* BatchQueue::take_staging() {
  for (auto* const pool : {&free_pinned_, &free_ordinary_}) {
    if (pool->empty()) continue;
    Batch* const batch = pool->back();
    pool->pop_back();
    return batch;
  }
  auto batch = std::make_unique<Batch>();
  const std::size_t bytes = staging_bytes(options_.bytes, options_.max_batch) + kAlignment;
  batch->own_.reset(new (std::nothrow) std::byte[bytes]);
  if (batch->own_ == nullptr) return nullptr;
  void* start = batch->own_.get();
  std::size_t space = bytes;
  auto* const block = static_cast<std::byte*>(std::align(kAlignment, bytes - kAlignment, start, space));
  batch->staging_ = Staging::within(block, options_.bytes, options_.max_batch);
  Batch* const made = batch.get();
  batches_.emplace(made, std::move(batch));
  return made;
}

/// For a batch in ordinary memory that a lane takes.
void BatchQueue::give_carrier(Batch* batch) {
  if (batch->own_ == nullptr || free_carriers_.empty()) return;
  batch->carrier_ = free_carriers_.back();
  free_carriers_.pop_back();
}

/// Back to the pool. A few of the ordinary ones are kept for the next burst.
void BatchQueue::recycle(Batch* batch) {
  batch->pieces_.clear();
  batch->turn_.reset();
  batch->used_ = batch->servers_ = 0;
  batch->sealed_ = false;
  if (batch->carrier_) free_carriers_.push_back(*batch->carrier_);
  batch->carrier_.reset();
  if (batch->own_ == nullptr) {
    free_pinned_.push_back(batch);
  } else if (free_ordinary_.size() < 2 * lanes_.size()) {
    free_ordinary_.push_back(batch);
  } else {
    batches_.erase(batch);
  }
}

/// Gives a request its places. False, and nothing changed, where memory lacks.
bool BatchQueue::place(const StatePointer& state) {
  const bool large = state->servers > options_.max_batch;
  const auto turn = large ? std::make_shared<Turn>() : shared_;
  std::vector<Batch*> batches;
  if (!large && !shared_->waiting.empty()) {
    Batch* const last = shared_->waiting.back();
    if (!last->sealed_ && last->used_ + state->servers <= options_.max_batch) batches.push_back(last);
  }
  if (batches.empty()) {
    const std::int64_t number = (state->servers + options_.max_batch - 1) / options_.max_batch;
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
    const int count = static_cast<int>(std::min<std::int64_t>(state->servers - from, options_.max_batch - batch->used_));
    if (batch->used_ == 0) join_turn(batch);
    batch->pieces_.push_back({state, from, count, batch->used_});
    batch->used_ += count;
    batch->servers_ += count;
    ++batch->copying_;
    from += count;
  }
  state->waiting_in = std::move(batches);
  state->pieces_left = static_cast<int>(state->waiting_in.size());
  waiting_servers_ += state->servers;
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

/// Takes what has not begun of a request out of its batches. Its slots stay empty: others' places do not move while they
/// may still be written to.
void BatchQueue::withdraw(const StatePointer& state) {
  for (Batch* const batch : state->waiting_in) {
    const auto piece = std::find_if(batch->pieces_.begin(), batch->pieces_.end(),
                                    [&](const Batch::Piece& one) { return one.state == state; });
    batch->servers_ -= piece->count;
    waiting_servers_ -= piece->count;
    if (piece->slot + piece->count == batch->used_) batch->used_ = piece->slot;
    batch->pieces_.erase(piece);
    if (!batch->pieces_.empty()) continue;
    leave_turn(batch);
    recycle(batch);
  }
  state->waiting_in.clear();
}

// ---------------------------------------------------------------------------------------------------- ends

/// Ends a request with an error: now, or when the lanes that write to its `out` are done.
void BatchQueue::fail(const StatePointer& state, const Error& error, std::vector<Done>& done) {
  withdraw(state);
  state->error = error;
  if (state->handing_out == 0) settle(state, error, done);
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

void BatchQueue::hand_to_clerk(std::vector<Done> done) {
  if (done.empty()) return;
  std::move(done.begin(), done.end(), std::back_inserter(clerk_done_));
  clerk_wake_.notify_one();
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
  hand_to_clerk(std::move(done));
}

/// Ends requests whose time is over, and calls the completions of those that no lane ends.
void BatchQueue::work_as_clerk() {
  std::unique_lock lock(mutex_);
  while (true) {
    std::vector<Done> done = std::exchange(clerk_done_, {});
    const auto now = Clock::now();
    bool expired = false;
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
      const StatePointer state = requests_.at(deadlines_.begin()->second);
      deadlines_.erase(deadlines_.begin());
      fail(state, {ErrorCode::DEADLINE, "the request had not begun when its time was over"}, done);
      expired = true;
    }
    if (expired) pump();
    if (!done.empty()) {
      lock.unlock();
      complete(done);
      done.clear();
      lock.lock();
      continue;
    }
    if (stopped_) return;
    if (deadlines_.empty()) {
      clerk_wake_.wait(lock);
    } else {
      clerk_wake_.wait_until(lock, Clock::time_point(deadlines_.begin()->first));
    }
  }
}

// ---------------------------------------------------------------------------------------------------- lanes

/// The next batch that may run, begun. Null if none is ready.
BatchQueue::Batch* BatchQueue::pick() {
  if (Batch* const batch = pick_from(turns_)) return batch;
  return pick_from(resting_);
}

BatchQueue::Batch* BatchQueue::pick_from(std::deque<Turn*>& turns) {
  for (std::size_t i = 0; i < turns.size();) {
    Batch* const batch = turns[i]->waiting.front();
    if (batch->copying_ > 0) {
      // Wanted as soon as its copies are done; who comes now goes into the next one.
      batch->sealed_ = true;
      ++i;
    } else if (begin(batch)) {
      return batch;
    }
    // A batch whose requests were all too late is gone, and maybe its turn: look at the same place again.
  }
  return nullptr;
}

/// Takes a batch out of its turn to run it. False if no request in it was still in time.
bool BatchQueue::begin(Batch* batch) {
  const auto now = Clock::now();
  std::vector<StatePointer> late;
  for (const Batch::Piece& piece : batch->pieces_)
    if (!piece.state->begun && piece.state->deadline <= now) late.push_back(piece.state);
  if (!late.empty()) {
    const bool all = late.size() == batch->pieces_.size();
    std::vector<Done> done;
    for (const StatePointer& state : late)
      fail(state, {ErrorCode::DEADLINE, "the request had not begun when its time was over"}, done);
    hand_to_clerk(std::move(done));
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
  waiting_servers_ -= batch->servers_;
  batch->sealed_ = true;
  batch->begun_ = now;
  for (const Batch::Piece& piece : batch->pieces_) {
    State& state = *piece.state;
    std::erase(state.waiting_in, batch);
    if (state.begun) continue;
    state.begun = true;
    deadlines_.erase({state.deadline, state.id});
    state.timing.queue_us = microseconds(now - state.submitted);
    counters_.queue_us += state.timing.queue_us;
  }
  ++counters_.running_batches;
  give_carrier(batch);
  return true;
}

/// A turn queues up again when its batch has ended, behind those that came meanwhile.
void BatchQueue::end_turn(Batch* batch) {
  if (batch->turn_ == nullptr) return;
  Turn& turn = *batch->turn_;
  --turn.running;
  if (std::erase(resting_, &turn) > 0) turns_.push_back(&turn);
}

void BatchQueue::pump() {
  while (!idle_.empty()) {
    const auto lane = std::find_if(idle_.begin(), idle_.end(),
                                   [&](int number) { return !lanes_[static_cast<std::size_t>(number)]->wanted; });
    if (lane == idle_.end()) return;
    Batch* const batch = pick();
    if (batch == nullptr) return;
    Lane& chosen = *lanes_[static_cast<std::size_t>(*lane)];
    idle_.erase(lane);
    chosen.assigned = batch;
    chosen.changed.notify_one();
  }
}

BatchQueue::Batch* BatchQueue::wait(int lane) {
  Lane& own = *lanes_[static_cast<std::size_t>(lane)];
  Batch* batch = nullptr;
  {
    std::unique_lock lock(mutex_);
    idle_.insert(lane);
    if (own.wanted) lane_idle_.notify_all();
    pump();
    own.changed.wait(lock, [&] { return own.assigned != nullptr || stopped_; });
    batch = std::exchange(own.assigned, nullptr);
    if (batch == nullptr) {
      idle_.erase(lane);
      return nullptr;
    }
  }
  make_ready(batch);
  return batch;
}

BatchQueue::Batch* BatchQueue::next(Batch* ended) {
  Batch* batch = nullptr;
  {
    const std::lock_guard lock(mutex_);
    end_turn(ended);
    batch = pick();
  }
  if (batch != nullptr) make_ready(batch);
  return batch;
}

/// Closes the gaps that withdrawn requests left, and moves what is in ordinary memory to its carrier. The batch is the
/// lane's by now.
void BatchQueue::make_ready(Batch* batch) const {
  const Staging& to = batch->staging();
  int slot = 0;
  for (Batch::Piece& piece : batch->pieces_) {
    if (batch->carrier_ || piece.slot != slot) {
      for (std::size_t i = 0; i < to.inputs.size(); ++i) {
        const std::size_t bytes = options_.bytes.inputs[i];
        std::memmove(to.inputs[i] + static_cast<std::size_t>(slot) * bytes,
                     batch->staging_.inputs[i] + static_cast<std::size_t>(piece.slot) * bytes,
                     static_cast<std::size_t>(piece.count) * bytes);
      }
      piece.slot = slot;
    }
    slot += piece.count;
  }
}

void BatchQueue::deliver(Batch* batch, const Result<RunReport>& result) {
  {
    const std::lock_guard lock(mutex_);
    for (Batch::Piece& piece : batch->pieces_) {
      piece.handed_out = result.ok() && !piece.state->error;
      if (piece.handed_out) ++piece.state->handing_out;
    }
  }
  for (const Batch::Piece& piece : batch->pieces_)
    if (piece.handed_out)
      copy_out(options_.bytes, piece.state->parts, piece.from, piece.count, batch->staging(), piece.slot);

  std::vector<Done> done;
  {
    const std::lock_guard lock(mutex_);
    --counters_.running_batches;
    if (result.ok()) {
      ++counters_.batches;
      ++(result->graph ? counters_.graph_launches : counters_.plain_launches);
      counters_.servers += static_cast<std::uint64_t>(batch->servers_);
      ++counters_.batch_sizes[static_cast<std::size_t>(batch->servers_)];
      counters_.copy_in_us += result->copy_in_us;
      counters_.run_us += result->run_us;
      counters_.copy_out_us += result->copy_out_us;
    }
    for (Batch::Piece& piece : batch->pieces_) {
      const StatePointer& state = piece.state;
      if (state->settled) continue;
      if (!result.ok()) {
        if (!state->error) fail(state, result.error(), done);
        continue;
      }
      if (!piece.handed_out) continue;
      --state->handing_out;
      Timing& timing = state->timing;
      if (result->run_us >= timing.run_us) {
        timing.copy_in_us = result->copy_in_us;
        timing.run_us = result->run_us;
        timing.copy_out_us = result->copy_out_us;
        timing.batch = batch->servers_;
        timing.bucket = result->bucket;
      }
      if (--state->pieces_left == 0) {
        settle(state, timing, done);
      } else if (state->error && state->handing_out == 0) {
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

// ---------------------------------------------------------------------------------------------------- leases

Result<std::optional<BatchQueue::Lease>> BatchQueue::try_lease(int servers) {
  const std::lock_guard lock(mutex_);
  if (const auto error = refusal(servers)) {
    // With a queue that is full there is no idle lane either; `submit` will say so.
    if (error->code != ErrorCode::QUEUE_FULL) return *error;
    return std::optional<Lease>();
  }
  const auto lane = std::find_if(idle_.begin(), idle_.end(),
                                 [&](int number) { return !lanes_[static_cast<std::size_t>(number)]->wanted; });
  if (lane == idle_.end() || waiting_batches_ > 0 || servers > options_.max_batch) return std::optional<Lease>();
  Batch* const batch = take_staging();
  if (batch == nullptr) return std::optional<Lease>();
  give_carrier(batch);
  batch->servers_ = servers;
  const Lease lease{batch, *lane};
  idle_.erase(lane);
  ++open_;
  ++counters_.accepted;
  ++counters_.running_batches;
  return std::optional<Lease>(lease);
}

Result<BatchQueue::Lease> BatchQueue::lease_lane(int lane) {
  std::unique_lock lock(mutex_);
  Lane& own = *lanes_[static_cast<std::size_t>(lane)];
  // Of two that want the same lane the later one waits until the first has it.
  lane_idle_.wait(lock, [&] { return closing_ || lost_ || !own.wanted; });
  if (closing_ || lost_) return refusal(0).value_or(closed_error());
  own.wanted = true;
  lane_idle_.wait(lock, [&] { return closing_ || lost_ || idle_.count(lane) > 0; });
  own.wanted = false;
  lane_idle_.notify_all();
  Batch* const batch = closing_ || lost_ ? nullptr : take_staging();
  if (batch == nullptr) {
    pump();  // what passed the lane by meanwhile
    return refusal(0).value_or(Error{ErrorCode::OUT_OF_MEMORY, "no memory for a batch"});
  }
  give_carrier(batch);
  idle_.erase(lane);
  ++open_;
  return Lease{batch, lane};
}

void BatchQueue::end_lease(const Lease& lease, int servers, const Result<RunReport>* result) {
  const std::lock_guard lock(mutex_);
  if (result != nullptr) {
    --counters_.running_batches;
    if (result->ok()) {
      const RunReport& report = **result;
      ++counters_.succeeded;
      ++counters_.batches;
      ++(report.graph ? counters_.graph_launches : counters_.plain_launches);
      counters_.servers += static_cast<std::uint64_t>(servers);
      ++counters_.batch_sizes[static_cast<std::size_t>(servers)];
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
  pump();
}

// ---------------------------------------------------------------------------------------------------- copies

void BatchQueue::copy_in(const ItemBytes& bytes, std::span<const Part> parts, std::int64_t from, int count,
                         const Staging& staging, int slot) {
  for_each_stretch(parts, from, count, [&](const Part& part, std::size_t first, std::size_t servers, std::size_t before) {
    const auto sources = as_bytes(part.inputs);
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const std::size_t item = bytes.inputs[i];
      std::memcpy(staging.inputs[i] + (static_cast<std::size_t>(slot) + before) * item, sources[i] + first * item,
                  servers * item);
    }
  });
}

void BatchQueue::copy_out(const ItemBytes& bytes, std::span<const Part> parts, std::int64_t from, int count,
                          const Staging& staging, int slot) {
  for_each_stretch(parts, from, count, [&](const Part& part, std::size_t first, std::size_t servers, std::size_t before) {
    std::memcpy(reinterpret_cast<std::byte*>(part.out) + first * bytes.output,
                staging.output + (static_cast<std::size_t>(slot) + before) * bytes.output, servers * bytes.output);
  });
}

}  // namespace tft

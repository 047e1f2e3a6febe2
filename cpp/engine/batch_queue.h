// Batch while busy: a request that finds a lane idle runs at once; while all lanes are busy, requests gather
// in order of arrival into the next batch, up to the maximum. There are no timers for batching. Free of CUDA.
//
// A request gets its place in a batch when it arrives, so a batch's make-up is settled then. It is copied
// into the batch's staging memory at once, or, where its inputs are borrowed, by the lane that takes the
// batch. Requests up to the maximum share batches; a larger one has batches of its own. The shared batches
// and each large request take turns, so that a small request waits for one part of each large one and never
// for all.
//
// Everything is guarded by one mutex; copies of inputs and results, and completions, happen outside of it. A
// batch belongs to the queue until a lane takes it (`wait`, `next`, `try_lease`), then to that lane until it
// is delivered.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/borrowed.h"
#include "engine/run_report.h"
#include "engine/staging.h"
#include "tft/counters.h"
#include "tft/request.h"
#include "tft/result.h"

namespace tft {

class BatchQueue {
 public:
  struct Options {
    BatchLayout layout;  // of `max_batch` series
    ModelShape shape;    // what values borrowed inputs may have; empty: any
    int max_batch = 1;
    int queue_limit = 1;
    int lanes = 1;
    /// Blocks of pinned memory, owned by the caller and there as long as the queue is. Batches beyond
    /// `pinned` wait in ordinary memory, which a device cannot copy from by itself, and are moved to a
    /// carrier when a lane takes them. A lane has at most two batches, one that runs and one whose results it
    /// hands out, so two carriers for each lane never lack.
    std::vector<std::byte*> pinned;
    std::vector<std::byte*> carriers;
    /// For how long an idle lane looks for work before it sleeps. A sleeping lane has to be woken, which
    /// costs who submits some microseconds and its request some more.
    std::chrono::microseconds spin{0};
    /// Threads that help lanes to copy large batches of borrowed inputs.
    int helpers = 0;
  };

  /// What a lane runs.
  class Batch {
   public:
    std::byte* staging() const { return carrier_ != nullptr ? carrier_ : staging_; }
    int servers() const { return servers_; }

   private:
    friend class BatchQueue;
    std::byte* staging_ = nullptr;
    std::unique_ptr<std::byte[]> own_;  // the memory behind `staging_` unless it is pinned
    std::byte* carrier_ = nullptr;
    struct Piece;
    std::vector<Piece> pieces_;
    std::shared_ptr<struct Turn> turn_;
    int used_ = 0;     // slots given away; those of requests called off too
    int servers_ = 0;  // that are to be run
    int copying_ = 0;  // submitters that still write
    bool sealed_ = false;
    std::chrono::steady_clock::time_point begun_;

   public:
    Batch();
    ~Batch();
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;
  };

  explicit BatchQueue(Options options);
  /// After `close`, and after every lane's thread has ended.
  ~BatchQueue();
  BatchQueue(const BatchQueue&) = delete;
  BatchQueue& operator=(const BatchQueue&) = delete;

  // ---- callers
  Result<RequestId> submit(const Request& request);
  bool cancel(RequestId id);
  /// Refuses what comes, waits until everything accepted has ended and every lease is back, then lets the
  /// lanes go.
  void close();
  Counters counters() const;

  // ---- lanes' threads, each with its own number
  /// The next batch; blocks until there is one. Null after `close`.
  Batch* wait(int lane);
  /// Says that a batch has run, and takes another if one is ready: the device works while results are handed
  /// out. Null too if somebody waits for the lane.
  Batch* next(int lane, Batch* ended);
  /// Hands the results of a batch out, or the error to its requests, and calls their completions.
  void deliver(Batch* batch, const Result<RunReport>& result);
  /// Fails all that waits and all that comes.
  void lose(const Error& error);
  void count_capture(bool succeeded);

  // ---- a lane for a caller's own thread
  struct Lease {
    Batch* batch = nullptr;
    int lane = 0;
  };
  /// An idle lane and a batch with room for `servers`, if nothing waits; the caller runs it. An error if the
  /// engine is closed or lost; nothing if all lanes are busy.
  Result<std::optional<Lease>> try_lease(int servers);
  /// Waits for this lane. An error once the engine is closed or lost.
  Result<Lease> lease_lane(int lane);
  /// Gives a lease back. `result` counts as one request of `servers`; without one (warm-up) nothing is
  /// counted.
  void end_lease(const Lease& lease, int servers, const Result<RunReport>* result);

 private:
  struct State;
  struct Done;
  struct Lane {
    std::condition_variable changed;
    Batch* assigned = nullptr;
    bool wanted = false;  // by lease_lane: batches pass it by
    bool asleep = false;
    std::atomic<bool> called = false;  // look again: there is a batch, or the end
  };
  using StatePointer = std::shared_ptr<State>;
  using Clock = std::chrono::steady_clock;

  // All of these with the mutex held.
  std::optional<Error> refusal(std::int64_t servers) const;
  Batch* take_staging();
  void give_carrier(Batch* batch);
  void recycle(Batch* batch);
  bool place(const StatePointer& state);
  void copy_inputs(std::span<const Part> parts, const State& state, std::unique_lock<std::mutex>& lock);
  void join_turn(Batch* batch);
  void leave_turn(Batch* batch);
  void withdraw(const StatePointer& state);
  void fail(const StatePointer& state, const Error& error, std::vector<Done>& done);
  void settle(const StatePointer& state, Result<Timing> result, std::vector<Done>& done);
  Batch* pick();
  Batch* pick_from(std::deque<struct Turn*>& turns);
  bool begin(Batch* batch);
  void end_turn(Batch* batch);
  /// A lane to be told that it has something to run.
  struct Call {
    Lane* lane;
    bool asleep;
  };
  /// Gives idle lanes what is ready. The caller tells them, best when it has let go of the mutex that they
  /// want.
  [[nodiscard]] std::vector<Call> pump();
  static void tell(const std::vector<Call>& calls);
  void hand_to_clerk(std::vector<Done> done);
  /// Whether the lane should look for work awake: one is enough, and it is the one that gets the next batch.
  bool spins(int lane) const;

  // Without.
  /// What `wait` gives, as it was placed.
  Batch* await_batch(int lane);
  bool make_ready(Batch* batch);
  void move_series(Batch::Piece& piece, int slot, const std::byte* from, std::byte* to) const;
  bool read_borrowed(Batch* batch, std::span<const BorrowedSeries> borrowed);
  void complete(std::vector<Done>& done);
  void work_as_clerk();

  const Options options_;
  BorrowedReader reader_;
  mutable std::mutex mutex_;
  std::condition_variable drained_;
  std::condition_variable lane_idle_;
  std::condition_variable clerk_wake_;

  std::unordered_map<Batch*, std::unique_ptr<Batch>> batches_;
  std::vector<Batch*> free_pinned_;
  std::vector<Batch*> free_ordinary_;
  std::vector<std::byte*> free_carriers_;

  std::shared_ptr<struct Turn> shared_;
  std::deque<struct Turn*> turns_;    // whose next batch may run, the first one first
  std::deque<struct Turn*> resting_;  // whose last batch still runs: only for lanes that have nothing else

  std::unordered_map<RequestId, StatePointer> requests_;
  std::set<std::pair<Clock::time_point, RequestId>> deadlines_;
  RequestId last_id_ = 0;
  std::int64_t waiting_servers_ = 0;
  std::int64_t waiting_batches_ = 0;
  std::int64_t open_ = 0;  // requests accepted, and leases, whose completion has not returned

  std::vector<std::unique_ptr<Lane>> lanes_;
  std::set<int> idle_;  // the lowest number first: lanes of several devices alternate
  std::vector<Done> clerk_done_;
  std::optional<Error> lost_;
  bool closing_ = false;
  bool stopped_ = false;
  Counters counters_;
  std::thread clerk_;
};

static_assert(!std::is_copy_constructible_v<BatchQueue>);

}  // namespace tft

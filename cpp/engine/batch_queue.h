// Batch while busy: a request runs at once if a lane is idle; while all lanes are busy, requests are
// collected in order of arrival into the next batch, up to the maximum size. Batching uses no timers. This
// file does not use CUDA.
//
// A request is assigned to a batch when it arrives. Its inputs are copied into the batch's staging memory at
// once, or, if they are borrowed, by the lane that takes the batch. Requests up to the maximum size share
// batches; a larger one has batches of its own. The shared batches and each large request take turns, so that
// a small request waits for one batch of each large one, never for all its batches. A lone request of many
// series is divided among the lanes. Each batch may run as soon as it is copied.
//
// One mutex guards all state; inputs and results are copied, and completions called, with the mutex released.
// A batch belongs to the queue until a lane takes it (`wait`, `next`, `try_lease`), then to that lane until
// it is delivered.
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
    ModelShape shape;    // to check the values of borrowed inputs; empty: no check
    int max_batch = 1;
    int queue_limit = 1;
    int lanes = 1;
    /// Blocks of pinned memory; the caller owns them and frees them after the queue. When all of `pinned` are
    /// in use, further batches wait in ordinary memory, from which a device cannot copy directly. A lane that
    /// takes such a batch moves it to a bounce buffer. A lane has at most two batches, one that runs and one
    /// whose results it delivers, so two bounce buffers for each lane are always enough.
    std::vector<std::byte*> pinned;
    std::vector<std::byte*> bounce_buffers;
    /// How long an idle lane spins before it sleeps. Waking a sleeping lane costs the submitter a few
    /// microseconds and delays its request further.
    std::chrono::microseconds spin{0};
    /// The number of threads that help lanes copy large batches of borrowed inputs.
    int helpers = 0;
    int split_from = 0;       // see EngineOptions::split_from
    bool for_device = false;  // see LaneFactory::is_device
  };

  /// The series that a lane runs together.
  class Batch {
   public:
    std::byte* staging() const { return bounce_buffer_ != nullptr ? bounce_buffer_ : staging_; }
    int series() const { return series_; }

   private:
    friend class BatchQueue;
    std::byte* staging_ = nullptr;
    std::unique_ptr<std::byte[]> own_;  // the memory behind `staging_` unless it is pinned
    std::byte* bounce_buffer_ = nullptr;
    struct Piece;
    std::vector<Piece> pieces_;
    std::shared_ptr<struct Turn> turn_;
    int used_ = 0;     // assigned slots, including those of cancelled requests
    int series_ = 0;   // to run
    int copying_ = 0;  // submitters that are still writing
    bool sealed_ = false;
    std::chrono::steady_clock::time_point begun_;

   public:
    Batch();
    ~Batch();
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;
  };

  explicit BatchQueue(Options options);
  /// Only after `close`, and after all lane threads have ended.
  ~BatchQueue();
  BatchQueue(const BatchQueue&) = delete;
  BatchQueue& operator=(const BatchQueue&) = delete;

  // For callers:
  Result<RequestId> submit(const Request& request);
  bool cancel(RequestId id);
  /// Refuses new requests, waits until all accepted ones have ended and all leases are returned, then stops
  /// the lanes.
  void close();
  Counters counters() const;
  /// The maximum number of series in a batch of a request that arrives while nothing runs.
  int lone_part(std::int64_t series) const;

  // For lane threads, each with its own number:
  /// The next batch; blocks until there is one. Null after `close`.
  Batch* wait(int lane);
  /// Blocks until all lanes wait: a request that comes before would find none idle. For the time before the
  /// first request.
  void await_lanes();
  /// Reports that a batch has run, and takes another if one is ready, so that the device works while results
  /// are delivered. Null if none is ready, or if `lease_lane` waits for this lane.
  Batch* next(int lane, Batch* ended);
  /// Copies the results of a batch to its requests, or gives them the error, and calls their completions.
  void deliver(Batch* batch, const Result<RunReport>& result);
  /// Fails all waiting and all future requests.
  void lose(const Error& error);
  void count_capture(bool succeeded);

  // For a caller that runs a lane on its own thread:
  struct Lease {
    Batch* batch = nullptr;
    int lane = 0;
  };
  /// Leases an idle lane and an empty batch, if no request waits; the caller runs it. Empty if no lane is
  /// free. An error if the engine is closed or the device lost.
  Result<std::optional<Lease>> try_lease(int series);
  /// Waits for this lane. An error if the engine is closed or the device lost.
  Result<Lease> lease_lane(int lane);
  /// Returns a lease. `result` is counted as one request of `series` series; null (a warm-up) counts nothing.
  void end_lease(const Lease& lease, int series, const Result<RunReport>* result);

  /// Copies all series of `parts` into a leased batch, with `check` as Request::check does.
  std::optional<Error> fill(const Lease& lease, std::span<const Part> parts, int series, bool check);

  Helpers& helpers() { return helpers_; }

 private:
  struct State;
  struct Done;
  struct Lane {
    std::condition_variable changed;
    Batch* assigned = nullptr;
    bool wanted = false;  // lease_lane waits for it: it gets no more batches
    bool asleep = false;
    std::atomic<bool> called = false;  // a batch is assigned, or the queue has stopped
  };
  using StatePointer = std::shared_ptr<State>;
  using Clock = std::chrono::steady_clock;

  // With the mutex held:
  std::optional<Error> refusal(std::int64_t series) const;
  Batch* take_staging();
  void give_bounce_buffer(Batch* batch);
  void recycle(Batch* batch);
  int part_size(std::int64_t series) const;
  bool place(const StatePointer& state);
  std::optional<Error> copy_inputs(const Request& request, State& state, std::unique_lock<std::mutex>& lock);
  void refuse(const StatePointer& state, const Error& error, std::unique_lock<std::mutex>& lock);
  void join_turn(Batch* batch);
  void leave_turn(Batch* batch);
  void withdraw(const StatePointer& state);
  void fail(const StatePointer& state, const Error& error, std::vector<Done>& done);
  void settle(const StatePointer& state, Result<Timing> result, std::vector<Done>& done);
  Batch* pick();
  Batch* pick_from(std::deque<struct Turn*>& turns);
  bool begin(Batch* batch);
  void end_turn(Batch* batch);
  /// A lane to wake because a batch was assigned to it.
  struct Call {
    Lane* lane;
    bool asleep;
  };
  /// Assigns ready batches to idle lanes. The caller wakes the lanes, if possible after releasing the mutex,
  /// which they need.
  [[nodiscard]] std::vector<Call> pump();
  static void wake(const std::vector<Call>& calls);
  void complete_later(std::vector<Done> done);
  /// Whether the lane should spin: only the idle lane that gets the next batch does.
  bool spins(int lane) const;

  // With the mutex released:
  /// Waits for an assigned batch, whose inputs may still have to be copied (`make_ready`).
  Batch* await_batch(int lane);
  bool make_ready(Batch* batch);
  void move_series(Batch::Piece& piece, int slot, const std::byte* from, std::byte* to) const;
  bool read_borrowed(Batch* batch, std::span<const BorrowedSeries> borrowed);
  void complete(std::vector<Done>& done);
  void run_completions();

  const Options options_;
  Helpers helpers_;
  BorrowedReader reader_;
  mutable std::mutex mutex_;
  std::condition_variable drained_;
  std::condition_variable lane_idle_;
  std::condition_variable completer_wake_;
  std::condition_variable outputs_released_;  // of a refused request

  std::unordered_map<Batch*, std::unique_ptr<Batch>> batches_;
  std::vector<Batch*> free_pinned_;
  std::vector<Batch*> free_ordinary_;
  std::vector<std::byte*> free_bounce_buffers_;

  std::shared_ptr<struct Turn> shared_;
  std::deque<struct Turn*> turns_;    // turns whose next batch may run, in order
  std::deque<struct Turn*> resting_;  // turns with a running batch; used if `turns_` has no batch ready

  std::unordered_map<RequestId, StatePointer> requests_;
  std::set<std::pair<Clock::time_point, RequestId>> deadlines_;
  RequestId last_id_ = 0;
  std::int64_t waiting_series_ = 0;
  std::int64_t waiting_batches_ = 0;
  std::int64_t open_ = 0;  // accepted requests whose completion has not returned, and leases

  std::vector<std::unique_ptr<Lane>> lanes_;
  std::set<int> idle_;  // the lowest number is taken first; numbers alternate between devices
  std::vector<Done> to_complete_;
  std::optional<Error> lost_;
  bool closing_ = false;
  bool stopped_ = false;
  Counters counters_;
  std::thread completer_;
};

static_assert(!std::is_copy_constructible_v<BatchQueue>);

}  // namespace tft

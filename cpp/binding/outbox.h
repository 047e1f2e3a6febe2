// Where engine threads put what is done for JavaScript to collect, and how they wake its thread.
//
// One outbox for each environment (a main thread or a worker). Whoever puts something into an empty outbox
// wakes the thread; what others add before it looks comes along, so one wake-up delivers all that is done.
// While the thread is awake it looks again by itself at each turn of its event loop, and nobody need wake it.
#pragma once

#include <atomic>
#include <memory>
#include <type_traits>

#include "napi_setup.h"

namespace tft::binding {

/// Something for JavaScript's thread. Whoever posts it must not touch it afterwards.
struct Parcel {
  enum class Kind { REQUEST, MESSAGE };
  explicit Parcel(Kind what) : kind(what) {}
  const Kind kind;
  Parcel* next = nullptr;
};

/// A parcel that knows what to do with itself: a line of a log, a step of a build. The outbox owns it.
struct Message : Parcel {
  Message() : Parcel(Kind::MESSAGE) {}
  virtual ~Message() = default;
  /// On JavaScript's thread, which can run.
  virtual void deliver() = 0;
};

class Outbox {
 public:
  /// Takes over the ThreadSafeFunction's first thread count.
  explicit Outbox(napi_threadsafe_function wake) : wake_(wake) {}

  /// Any thread, as long as an engine of the environment is open or a job under way.
  void post(Parcel* parcel);
  void post(std::unique_ptr<Message> message) { post(message.release()); }

  /// JavaScript's thread: everything posted, in order, linked by `next`.
  Parcel* collect();

  /// JavaScript's thread: it will look by itself from now on, or no longer does. After `fall_asleep` it must
  /// look once more.
  void stay_awake() { awake_ = true; }
  void fall_asleep() { awake_ = false; }

  /// Wakes nobody from now on: the ThreadSafeFunction is about to go. No engine is open and no job under way
  /// any more, but one may have a last line for the log.
  void close() { closed_ = true; }

 private:
  const napi_threadsafe_function wake_;
  std::atomic<Parcel*> newest_ = nullptr;
  std::atomic<bool> awake_ = false;
  std::atomic<bool> closed_ = false;
};

static_assert(!std::is_copy_constructible_v<Outbox>);

}  // namespace tft::binding

// The completion queue: engine threads post ended requests and messages, JavaScript's thread collects them.
//
// Each environment (the main thread or a worker) has one. A post to an empty queue wakes the thread; further
// posts before it collects need no wake-up, so that one wake-up delivers everything that is ready. While the
// thread is awake it collects at each turn of its event loop, and posts do not wake it.
#pragma once

#include <atomic>
#include <memory>
#include <type_traits>

#include "napi_setup.h"

namespace tft::binding {

/// An item for JavaScript's thread. The poster must not touch it after posting.
struct QueueItem {
  enum class Kind { REQUEST, MESSAGE };
  explicit QueueItem(Kind what) : kind(what) {}
  const Kind kind;
  QueueItem* next = nullptr;
};

/// An item with its own `deliver`: a log line, a step of a build. The queue owns it.
struct Message : QueueItem {
  Message() : QueueItem(Kind::MESSAGE) {}
  virtual ~Message() = default;
  /// On JavaScript's thread, while JavaScript can run.
  virtual void deliver() = 0;
};

class CompletionQueue {
 public:
  /// Takes over the initial thread count of the ThreadSafeFunction.
  explicit CompletionQueue(napi_threadsafe_function wake) : wake_(wake) {}

  /// Any thread, while an engine of the environment is open or a job runs.
  void post(QueueItem* item);
  void post(std::unique_ptr<Message> message) { post(message.release()); }

  /// Takes everything posted, in order, linked by `next`. JavaScript's thread.
  QueueItem* collect();

  /// Between these two the thread collects without being woken. After `fall_asleep` it must collect once
  /// more. JavaScript's thread.
  void stay_awake() { awake_ = true; }
  void fall_asleep() { awake_ = false; }

  /// Stops calling the ThreadSafeFunction, which is about to be freed. Engines are closed and jobs have
  /// ended, but a last log line may still be posted.
  void close() { closed_ = true; }

 private:
  const napi_threadsafe_function wake_;
  std::atomic<QueueItem*> newest_ = nullptr;
  std::atomic<bool> awake_ = false;
  std::atomic<bool> closed_ = false;
};

static_assert(!std::is_copy_constructible_v<CompletionQueue>);

}  // namespace tft::binding

// Streams of the double: each runs its work in order on a thread of its own, or, while it captures, collects
// it for a graph.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "cuda_abi.h"

namespace doubles {

/// One piece of work. Copies of it share what it refers to, so that a graph may be launched many times.
struct Work {
  /// On the stream's thread; a CUresult other than 0 loses the device.
  std::function<CUresult()> run;
  /// When the work is enqueued or its graph launched, on the caller's thread (poisons a host destination).
  std::function<void()> enqueued;
  /// At graph launch: why the graph is no longer valid, or null.
  std::function<const char*()> stale;
  /// Runs on a lost device too: events are reached, so that nobody waits for ever.
  bool always = false;
};

}  // namespace doubles

struct CUgraph_st {
  std::vector<doubles::Work> work;
};

struct CUgraphExec_st {
  std::vector<doubles::Work> work;
  CUcontext context = nullptr;
};

struct CUevent_st : std::enable_shared_from_this<CUevent_st> {
  CUcontext context = nullptr;
  bool timed = true;

  std::mutex mutex;
  std::condition_variable reached;
  std::uint64_t recorded = 0;  // how often it was enqueued
  std::uint64_t done = 0;      // up to which of these streams have come
  std::int64_t nanoseconds = 0;
  bool captured = false;

  /// Enqueues the event and returns the work that marks it as reached.
  doubles::Work record();
};

struct CUstream_st {
  explicit CUstream_st(CUcontext owner);
  ~CUstream_st();

  void push(doubles::Work work);
  /// Returns when all that is enqueued now has run.
  void wait_idle();
  bool idle();

  const CUcontext context;

  // Capture. Guarded by capture_mutex; captures are begun and ended by one thread.
  std::mutex capture_mutex;
  std::unique_ptr<CUgraph_st> capture;
  bool capture_invalidated = false;
  unsigned capture_mode = 0;
  std::thread::id capture_thread;

 private:
  void run(doubles::Work& work);
  void loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<doubles::Work> queue_;
  std::uint64_t pushed_ = 0;
  std::uint64_t ran_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

namespace doubles {

/// The live objects of a kind: a handle is looked up before it is followed, so that a freed or foreign one is
/// an error instead of a crash.
CUresult check_stream(CUstream stream, const char* function);
std::shared_ptr<CUevent_st> find_event(CUevent event, const char* function);

/// Enqueues the work, or adds it to the stream's capture.
CUresult enqueue(CUstream stream, Work work);
/// Captures that forbid unsafe calls on this thread become invalid; true if there was one.
bool invalidate_captures_for_unsafe_call();
void invalidate_capture(CUstream stream);
/// Streams, events and graphs that live in the context.
int live_objects(CUcontext context);
/// Returns when all that the device's streams have now has run, or been skipped.
void wait_for_streams(CUdevice device);
void forget_streams();

}  // namespace doubles

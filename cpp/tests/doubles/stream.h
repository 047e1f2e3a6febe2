// The double's streams: each runs its work in order on its own thread or, while capturing, collects it for a
// graph.
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

/// A work item. Copies share its state, so that a graph can be launched many times.
struct Work {
  /// On the stream's thread; a CUresult other than 0 loses the device.
  std::function<CUresult()> run;
  /// When the work is enqueued or its graph launched, on the caller's thread (poisons a host destination).
  std::function<void()> enqueued;
  /// At graph launch: why the graph is no longer valid, or null.
  std::function<const char*()> stale;
  /// Runs even on a lost device, so that events complete and waits end.
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
  std::uint64_t recorded = 0;  // the number of times it was enqueued
  std::uint64_t done = 0;      // the last of these that a stream has reached
  std::int64_t nanoseconds = 0;
  bool captured = false;

  /// Enqueues the event and returns the work that marks it as reached.
  doubles::Work record();
};

struct CUstream_st {
  explicit CUstream_st(CUcontext owner);
  ~CUstream_st();

  void push(doubles::Work work);
  /// Returns when all work enqueued so far has run.
  void wait_idle();
  bool idle();

  const CUcontext context;

  // The capture, guarded by capture_mutex. One thread begins and ends it.
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

/// Looks a handle up before it is dereferenced, so that a freed or foreign handle is an error instead of a
/// crash.
CUresult check_stream(CUstream stream, const char* function);
std::shared_ptr<CUevent_st> find_event(CUevent event, const char* function);

/// Enqueues the work, or adds it to the stream's capture.
CUresult enqueue(CUstream stream, Work work);
/// Invalidates the captures that forbid unsafe calls on this thread. Returns whether there was one.
bool invalidate_captures_for_unsafe_call();
void invalidate_capture(CUstream stream);
/// Streams, events and graphs that live in the context.
int live_objects(CUcontext context);
/// Returns when all work enqueued so far on the device's streams has run or was skipped.
void wait_for_streams(CUdevice device);
void forget_streams();

}  // namespace doubles

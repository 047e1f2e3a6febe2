#include "stream.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include "control.h"
#include "device.h"
#include "ledger.h"

using namespace doubles;

namespace {

/// The live handles. A handle is looked up here before it is dereferenced.
struct Handles {
  std::mutex mutex;
  std::set<CUstream> streams;
  std::map<CUevent, std::shared_ptr<CUevent_st>> events;
  std::set<CUgraph> graphs;
  std::set<CUgraphExec> graph_execs;
};

Handles& handles() {
  static Handles* const all = new Handles;
  return *all;
}

void violation(const std::string& message) { Ledger::instance().violation(message); }

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

// CUstream_st

CUstream_st::CUstream_st(CUcontext owner) : context(owner), thread_([this] { loop(); }) {}

CUstream_st::~CUstream_st() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void CUstream_st::push(Work work) {
  if (work.enqueued) work.enqueued();
  // For benchmarks: runs work immediately on the caller's thread, like an infinitely fast GPU.
  static const bool at_once = std::getenv("TFT_DOUBLE_INLINE") != nullptr;
  if (at_once) {
    run(work);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
    ++pushed_;
  }
  changed_.notify_all();
}

void CUstream_st::wait_idle() {
  std::unique_lock lock(mutex_);
  const std::uint64_t target = pushed_;
  changed_.wait(lock, [&] { return ran_ >= target; });
}

bool CUstream_st::idle() {
  const std::lock_guard lock(mutex_);
  return ran_ == pushed_;
}

void CUstream_st::run(Work& work) {
  if (!work.always && lost(context->device) != CUDA_SUCCESS) return;
  if (const CUresult code = work.run()) lose_device(context->device, code);
}

void CUstream_st::loop() {
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;  // after the enqueued work has run
    Work work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    run(work);
    work = {};  // release its state before the work counts as finished
    lock.lock();
    ++ran_;
    lock.unlock();
    changed_.notify_all();
  }
}

// CUevent_st

Work CUevent_st::record() {
  std::uint64_t generation = 0;
  {
    const std::lock_guard lock(mutex);
    captured = false;
    generation = ++recorded;
  }
  Work work;
  work.always = true;
  work.run = [self = shared_from_this(), generation] {
    {
      const std::lock_guard lock(self->mutex);
      self->done = std::max(self->done, generation);
      self->nanoseconds = now();
    }
    self->reached.notify_all();
    return CUDA_SUCCESS;
  };
  return work;
}

// Lookups

namespace doubles {

CUresult check_stream(CUstream stream, const char* function) {
  if (stream == nullptr) {
    violation(std::string(function) + " on the default stream");
    return CUDA_ERROR_INVALID_HANDLE;
  }
  {
    const std::lock_guard lock(handles().mutex);
    if (!handles().streams.contains(stream)) {
      violation(std::string(function) + " on what is not a live stream");
      return CUDA_ERROR_INVALID_HANDLE;
    }
  }
  if (stream->context != current_context()) {
    violation(std::string(function) + " on a stream of another context than the current one");
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  return CUDA_SUCCESS;
}

std::shared_ptr<CUevent_st> find_event(CUevent event, const char* function) {
  const std::lock_guard lock(handles().mutex);
  const auto found = handles().events.find(event);
  if (found == handles().events.end()) {
    violation(std::string(function) + " with what is not a live event");
    return nullptr;
  }
  return found->second;
}

CUresult enqueue(CUstream stream, Work work) {
  {
    const std::lock_guard lock(stream->capture_mutex);
    if (stream->capture != nullptr) {
      if (stream->capture_mode != CU_STREAM_CAPTURE_MODE_RELAXED &&
          stream->capture_thread != std::this_thread::get_id()) {
        violation("work enqueued by one thread on a stream that another captures");
      }
      if (stream->capture_invalidated) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
      stream->capture->work.push_back(std::move(work));
      return CUDA_SUCCESS;
    }
  }
  stream->push(std::move(work));
  return CUDA_SUCCESS;
}

bool invalidate_captures_for_unsafe_call() {
  const std::lock_guard lock(handles().mutex);
  bool any = false;
  for (const CUstream stream : handles().streams) {
    const std::lock_guard capture_lock(stream->capture_mutex);
    if (stream->capture == nullptr || stream->capture_mode == CU_STREAM_CAPTURE_MODE_RELAXED) continue;
    if (stream->capture_mode == CU_STREAM_CAPTURE_MODE_GLOBAL ||
        stream->capture_thread == std::this_thread::get_id()) {
      stream->capture_invalidated = true;
      any = true;
    }
  }
  return any;
}

void invalidate_capture(CUstream stream) {
  const std::lock_guard lock(stream->capture_mutex);
  if (stream->capture != nullptr) stream->capture_invalidated = true;
}

int live_objects(CUcontext context) {
  const std::lock_guard lock(handles().mutex);
  int count = 0;
  for (const CUstream stream : handles().streams) count += stream->context == context ? 1 : 0;
  for (const auto& [handle, event] : handles().events) count += event->context == context ? 1 : 0;
  for (const CUgraphExec exec : handles().graph_execs) count += exec->context == context ? 1 : 0;
  return count;
}

void wait_for_streams(CUdevice device) {
  const std::lock_guard lock(handles().mutex);
  for (const CUstream stream : handles().streams) {
    if (stream->context->device == device) stream->wait_idle();
  }
}

void forget_streams() {
  std::set<CUstream> streams;
  {
    const std::lock_guard lock(handles().mutex);
    streams.swap(handles().streams);
    for (const CUgraph graph : handles().graphs) delete graph;
    for (const CUgraphExec exec : handles().graph_execs) delete exec;
    handles().graphs.clear();
    handles().graph_execs.clear();
    handles().events.clear();
  }
  for (const CUstream stream : streams) delete stream;
}

}  // namespace doubles

#define EXPORT extern "C" __attribute__((visibility("default")))

// Streams

EXPORT CUresult cuStreamCreate(CUstream* stream, unsigned flags) {
  if (const CUresult code = begin_call_in_context("cuStreamCreate")) return code;
  if (flags != CU_STREAM_NON_BLOCKING) violation("a stream that waits for the default stream");
  auto made = std::make_unique<CUstream_st>(current_context());
  const std::lock_guard lock(handles().mutex);
  *stream = made.release();
  handles().streams.insert(*stream);
  Ledger::instance().created("stream");
  return CUDA_SUCCESS;
}

EXPORT CUresult cuStreamDestroy_v2(CUstream stream) {
  const CUresult code = begin_freeing_call("cuStreamDestroy_v2");
  {
    const std::lock_guard lock(handles().mutex);
    if (handles().streams.erase(stream) == 0) {
      violation("cuStreamDestroy of what is not a live stream");
      return CUDA_ERROR_INVALID_HANDLE;
    }
  }
  if (stream->capture != nullptr) violation("cuStreamDestroy of a stream that captures");
  delete stream;
  Ledger::instance().freed("stream");
  return code;
}

EXPORT CUresult cuStreamSynchronize(CUstream stream) {
  if (const CUresult code = begin_call_in_context("cuStreamSynchronize")) return code;
  if (const CUresult code = check_stream(stream, "cuStreamSynchronize")) return code;
  if (double_capturing(stream) == 1) {
    invalidate_capture(stream);
    violation("cuStreamSynchronize of a stream that captures");
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  stream->wait_idle();
  return lost(stream->context->device);
}

EXPORT CUresult cuStreamQuery(CUstream stream) {
  if (const CUresult code = begin_call_in_context("cuStreamQuery")) return code;
  if (const CUresult code = check_stream(stream, "cuStreamQuery")) return code;
  if (const CUresult code = lost(stream->context->device)) return code;
  return stream->idle() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

EXPORT CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
  if (const CUresult code = begin_call_in_context("cuStreamWaitEvent")) return code;
  if (const CUresult code = check_stream(stream, "cuStreamWaitEvent")) return code;
  const auto found = find_event(event, "cuStreamWaitEvent");
  if (found == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  Work work;
  work.always = true;
  const std::lock_guard lock(found->mutex);
  work.run = [found, target = found->recorded] {
    std::unique_lock waiting(found->mutex);
    found->reached.wait(waiting, [&] { return found->done >= target; });
    return CUDA_SUCCESS;
  };
  return enqueue(stream, std::move(work));
}

// Copies

EXPORT CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, std::size_t bytes, CUstream stream) {
  if (const CUresult code = begin_call_in_context("cuMemcpyHtoDAsync_v2")) {
    invalidate_captures_for_unsafe_call();
    return code;
  }
  if (const CUresult code = check_stream(stream, "cuMemcpyHtoDAsync")) return code;
  const CUdevice device = stream->context->device;
  if (Memory::instance().host_address(to, bytes, device) == nullptr) {
    violation("cuMemcpyHtoDAsync to what is not one live allocation of the stream's device");
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!Memory::instance().is_pinned(from, bytes)) {
    violation("cuMemcpyHtoDAsync from pageable memory");
    return CUDA_ERROR_INVALID_VALUE;
  }
  Work work;
  work.run = [to, from, bytes, device]() -> CUresult {
    if (void* const early = Memory::instance().host_address(to, bytes, device))
      std::memset(early, poison, bytes);
    double_delay("copy_us");
    if (const CUresult fault = Ledger::instance().call("run:copy")) return fault;
    void* const destination = Memory::instance().host_address(to, bytes, device);
    if (destination == nullptr || !Memory::instance().is_pinned(from, bytes)) {
      violation("a copy to the device came to memory that was freed before it");
      return CUDA_ERROR_ILLEGAL_ADDRESS;
    }
    std::memcpy(destination, from, bytes);
    return CUDA_SUCCESS;
  };
  return enqueue(stream, std::move(work));
}

EXPORT CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, std::size_t bytes, CUstream stream) {
  if (const CUresult code = begin_call_in_context("cuMemcpyDtoHAsync_v2")) {
    invalidate_captures_for_unsafe_call();
    return code;
  }
  if (const CUresult code = check_stream(stream, "cuMemcpyDtoHAsync")) return code;
  const CUdevice device = stream->context->device;
  if (Memory::instance().host_address(from, bytes, device) == nullptr) {
    violation("cuMemcpyDtoHAsync from what is not one live allocation of the stream's device");
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!Memory::instance().is_pinned(to, bytes)) {
    violation("cuMemcpyDtoHAsync to pageable memory");
    return CUDA_ERROR_INVALID_VALUE;
  }
  Work work;
  work.enqueued = [to, bytes] {
    if (Memory::instance().is_pinned(to, bytes)) std::memset(to, poison, bytes);
  };
  work.run = [to, from, bytes, device]() -> CUresult {
    double_delay("copy_us");
    if (const CUresult fault = Ledger::instance().call("run:copy")) return fault;
    const void* const source = Memory::instance().host_address(from, bytes, device);
    if (source == nullptr || !Memory::instance().is_pinned(to, bytes)) {
      violation("a copy from the device came to memory that was freed before it");
      return CUDA_ERROR_ILLEGAL_ADDRESS;
    }
    std::memcpy(to, source, bytes);
    return CUDA_SUCCESS;
  };
  return enqueue(stream, std::move(work));
}

EXPORT CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, std::size_t bytes, CUstream stream) {
  if (const CUresult code = begin_call_in_context("cuMemsetD8Async")) {
    invalidate_captures_for_unsafe_call();
    return code;
  }
  if (const CUresult code = check_stream(stream, "cuMemsetD8Async")) return code;
  const CUdevice device = stream->context->device;
  if (Memory::instance().host_address(to, bytes, device) == nullptr) {
    violation("cuMemsetD8Async of what is not one live allocation of the stream's device");
    return CUDA_ERROR_INVALID_VALUE;
  }
  Work work;
  work.run = [to, value, bytes, device]() -> CUresult {
    if (const CUresult fault = Ledger::instance().call("run:memset")) return fault;
    void* const destination = Memory::instance().host_address(to, bytes, device);
    if (destination == nullptr) {
      violation("a memset came to memory that was freed before it");
      return CUDA_ERROR_ILLEGAL_ADDRESS;
    }
    std::memset(destination, value, bytes);
    return CUDA_SUCCESS;
  };
  return enqueue(stream, std::move(work));
}

// Events

EXPORT CUresult cuEventCreate(CUevent* event, unsigned flags) {
  if (const CUresult code = begin_call_in_context("cuEventCreate")) return code;
  auto made = std::make_shared<CUevent_st>();
  made->context = current_context();
  made->timed = (flags & CU_EVENT_DISABLE_TIMING) == 0;
  *event = made.get();
  const std::lock_guard lock(handles().mutex);
  handles().events[*event] = std::move(made);
  Ledger::instance().created("event");
  return CUDA_SUCCESS;
}

EXPORT CUresult cuEventDestroy_v2(CUevent event) {
  const CUresult code = begin_freeing_call("cuEventDestroy_v2");
  const std::lock_guard lock(handles().mutex);
  if (handles().events.erase(event) == 0) {
    violation("cuEventDestroy of what is not a live event");
    return CUDA_ERROR_INVALID_HANDLE;
  }
  Ledger::instance().freed("event");
  return code;
}

EXPORT CUresult cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned flags) {
  if (const CUresult code = begin_call_in_context("cuEventRecordWithFlags")) return code;
  if (const CUresult code = check_stream(stream, "cuEventRecordWithFlags")) return code;
  const auto found = find_event(event, "cuEventRecordWithFlags");
  if (found == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (flags != CU_EVENT_RECORD_EXTERNAL || double_capturing(stream) != 1)
    return enqueue(stream, found->record());
  Work work;  // an event node: recorded anew at each launch
  auto generation = std::make_shared<std::atomic<std::uint64_t>>(0);
  work.always = true;
  work.enqueued = [found, generation] {
    const std::lock_guard lock(found->mutex);
    found->captured = false;
    *generation = ++found->recorded;
  };
  work.run = [found, generation] {
    {
      const std::lock_guard lock(found->mutex);
      found->done = std::max(found->done, generation->load());
      found->nanoseconds = now();
    }
    found->reached.notify_all();
    return CUDA_SUCCESS;
  };
  return enqueue(stream, std::move(work));
}

EXPORT CUresult cuEventRecord(CUevent event, CUstream stream) {
  if (const CUresult code = begin_call_in_context("cuEventRecord")) {
    invalidate_captures_for_unsafe_call();
    return code;
  }
  if (const CUresult code = check_stream(stream, "cuEventRecord")) return code;
  const auto found = find_event(event, "cuEventRecord");
  if (found == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (found->context != stream->context) {
    violation("cuEventRecord with an event and a stream of two contexts");
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (double_capturing(stream) == 1) {  // inside a capture the event only orders the graph's nodes
    const std::lock_guard lock(found->mutex);
    found->captured = true;
    return CUDA_SUCCESS;
  }
  return enqueue(stream, found->record());
}

EXPORT CUresult cuEventSynchronize(CUevent event) {
  if (const CUresult code = begin_call_in_context("cuEventSynchronize")) return code;
  const auto found = find_event(event, "cuEventSynchronize");
  if (found == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  std::unique_lock lock(found->mutex);
  if (found->captured) return CUDA_ERROR_CAPTURED_EVENT;
  const std::uint64_t target = found->recorded;
  found->reached.wait(lock, [&] { return found->done >= target; });
  return lost(found->context->device);
}

EXPORT CUresult cuEventQuery(CUevent event) {
  if (const CUresult code = begin_call_in_context("cuEventQuery")) return code;
  const auto found = find_event(event, "cuEventQuery");
  if (found == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  const std::lock_guard lock(found->mutex);
  if (found->captured) return CUDA_ERROR_CAPTURED_EVENT;
  return found->done >= found->recorded ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

EXPORT CUresult cuEventElapsedTime(float* milliseconds, CUevent from, CUevent to) {
  if (const CUresult code = begin_call_in_context("cuEventElapsedTime")) return code;
  std::int64_t times[2];
  const CUevent events[2] = {from, to};
  for (int i = 0; i < 2; ++i) {
    const auto found = find_event(events[i], "cuEventElapsedTime");
    if (found == nullptr || !found->timed) return CUDA_ERROR_INVALID_HANDLE;
    const std::lock_guard lock(found->mutex);
    if (found->captured) return CUDA_ERROR_CAPTURED_EVENT;
    if (found->recorded == 0) return CUDA_ERROR_INVALID_HANDLE;
    if (found->done < found->recorded) return CUDA_ERROR_NOT_READY;
    times[i] = found->nanoseconds;
  }
  *milliseconds = static_cast<float>(static_cast<double>(times[1] - times[0]) * 1e-6);
  return CUDA_SUCCESS;
}

// Capture and graphs

EXPORT CUresult cuStreamBeginCapture_v2(CUstream stream, unsigned mode) {
  if (const CUresult code = begin_call_in_context("cuStreamBeginCapture_v2")) return code;
  if (const CUresult code = check_stream(stream, "cuStreamBeginCapture")) return code;
  const std::lock_guard lock(stream->capture_mutex);
  if (stream->capture != nullptr) return CUDA_ERROR_INVALID_VALUE;
  stream->capture = std::make_unique<CUgraph_st>();
  stream->capture_invalidated = false;
  stream->capture_mode = mode;
  stream->capture_thread = std::this_thread::get_id();
  return CUDA_SUCCESS;
}

EXPORT CUresult cuStreamEndCapture(CUstream stream, CUgraph* graph) {
  const CUresult fault = begin_call_in_context("cuStreamEndCapture");
  *graph = nullptr;
  if (const CUresult code = check_stream(stream, "cuStreamEndCapture")) return code;
  std::unique_ptr<CUgraph_st> captured;
  {
    const std::lock_guard lock(stream->capture_mutex);
    if (stream->capture == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (stream->capture_mode != CU_STREAM_CAPTURE_MODE_RELAXED &&
        stream->capture_thread != std::this_thread::get_id()) {
      violation("a capture ended by another thread than the one that began it");
      return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
    }
    captured = std::move(stream->capture);
    if (fault == CUDA_SUCCESS && stream->capture_invalidated) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  }
  if (fault != CUDA_SUCCESS) return fault;
  const std::lock_guard lock(handles().mutex);
  *graph = captured.release();
  handles().graphs.insert(*graph);
  Ledger::instance().created("graph");
  return CUDA_SUCCESS;
}

EXPORT CUresult cuStreamIsCapturing(CUstream stream, unsigned* status) {
  if (const CUresult code = begin_call_in_context("cuStreamIsCapturing")) return code;
  if (const CUresult code = check_stream(stream, "cuStreamIsCapturing")) return code;
  const std::lock_guard lock(stream->capture_mutex);
  *status = stream->capture == nullptr    ? CU_STREAM_CAPTURE_STATUS_NONE
            : stream->capture_invalidated ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                          : CU_STREAM_CAPTURE_STATUS_ACTIVE;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuGraphDestroy(CUgraph graph) {
  const CUresult code = begin_freeing_call("cuGraphDestroy");
  const std::lock_guard lock(handles().mutex);
  if (handles().graphs.erase(graph) == 0) {
    violation("cuGraphDestroy of what is not a live graph");
    return CUDA_ERROR_INVALID_VALUE;
  }
  delete graph;
  Ledger::instance().freed("graph");
  return code;
}

/// Returns only the number of nodes.
EXPORT CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode* nodes, std::size_t* count) {
  if (const CUresult code = begin_call_in_context("cuGraphGetNodes")) return code;
  const std::lock_guard lock(handles().mutex);
  if (!handles().graphs.contains(graph) || nodes != nullptr) return CUDA_ERROR_INVALID_VALUE;
  *count = graph->work.size();
  return CUDA_SUCCESS;
}

EXPORT CUresult cuGraphInstantiateWithFlags(CUgraphExec* exec, CUgraph graph, unsigned long long) {
  if (const CUresult code = begin_call_in_context("cuGraphInstantiateWithFlags")) return code;
  const std::lock_guard lock(handles().mutex);
  if (!handles().graphs.contains(graph)) {
    violation("cuGraphInstantiate of what is not a live graph");
    return CUDA_ERROR_INVALID_VALUE;
  }
  *exec = new CUgraphExec_st{graph->work, current_context()};
  handles().graph_execs.insert(*exec);
  Ledger::instance().created("graph exec");
  return CUDA_SUCCESS;
}

EXPORT CUresult cuGraphExecDestroy(CUgraphExec exec) {
  const CUresult code = begin_freeing_call("cuGraphExecDestroy");
  std::unique_ptr<CUgraphExec_st> dying;
  {
    const std::lock_guard lock(handles().mutex);
    if (handles().graph_execs.erase(exec) == 0) {
      violation("cuGraphExecDestroy of what is not a live executable graph");
      return CUDA_ERROR_INVALID_VALUE;
    }
    dying.reset(exec);
  }
  Ledger::instance().freed("graph exec");
  return code;
}

EXPORT CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  if (const CUresult code = begin_call_in_context("cuGraphLaunch")) return code;
  if (const CUresult code = check_stream(stream, "cuGraphLaunch")) return code;
  {
    const std::lock_guard lock(handles().mutex);
    if (!handles().graph_execs.contains(exec)) {
      violation("cuGraphLaunch of what is not a live executable graph");
      return CUDA_ERROR_INVALID_VALUE;
    }
  }
  if (double_capturing(stream) == 1) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  for (const Work& work : exec->work) {
    const char* const reason = work.stale ? work.stale() : nullptr;
    if (reason != nullptr) {
      violation(std::string("cuGraphLaunch of a stale graph: ") + reason);
      return CUDA_ERROR_INVALID_VALUE;
    }
  }
  for (const Work& work : exec->work) stream->push(work);
  return CUDA_SUCCESS;
}

/// Kernels do nothing here; the tests of cpp/plugins check what they compute.
EXPORT CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                               unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                               CUstream stream, void** parameters, void**) {
  if (const CUresult code = begin_call_in_context("cuLaunchKernel")) return code;
  if (const CUresult code = check_stream(stream, "cuLaunchKernel")) return code;
  if (function == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  if (grid_x == 0 || grid_y == 0 || grid_z == 0 || block_x * block_y * block_z - 1 >= 1024 ||
      shared_bytes > 227U << 10 || parameters == nullptr)
    return CUDA_ERROR_INVALID_VALUE;
  Work work;
  work.run = [] { return CUDA_SUCCESS; };
  return enqueue(stream, std::move(work));
}

// For libnvinfer's double

EXPORT int double_enqueue(void* handle, DoubleWork work) {
  const std::shared_ptr<void> state(work.state, work.destroy);
  const auto stream = static_cast<CUstream>(handle);
  if (const CUresult code = check_stream(stream, "enqueueV3")) return code;
  Work piece;
  piece.run = [state, run = work.run] { return run(state.get()); };
  piece.stale = [state, stale = work.stale] { return stale(state.get()); };
  return enqueue(stream, std::move(piece));
}

EXPORT int double_capturing(void* handle) {
  const auto stream = static_cast<CUstream>(handle);
  if (const CUresult code = check_stream(stream, "enqueueV3")) return -code;
  const std::lock_guard lock(stream->capture_mutex);
  return stream->capture != nullptr ? 1 : 0;
}

EXPORT void double_invalidate_capture(void* handle) {
  const auto stream = static_cast<CUstream>(handle);
  if (check_stream(stream, "enqueueV3") == CUDA_SUCCESS) invalidate_capture(stream);
}

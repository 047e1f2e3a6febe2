#include "cuda/graph_capture.h"

namespace tft::cuda {

Result<GraphExec> capture_graph(const ContextPointer& context, StreamHandle stream,
                                const std::function<Result<void>()>& enqueue, std::size_t* nodes) {
  const Driver& driver = context->driver();
  const auto failed = [&](const char* what, Status status) {
    return Error{ErrorCode::RUN, std::string(what) + driver.describe(status)};
  };
  if (const Status status = driver.stream_begin_capture(stream, kCaptureThreadLocal))
    return failed("the capture did not begin: ", status);

  const Result<void> enqueued = enqueue();
  GraphHandle handle = nullptr;
  const Status ended = driver.stream_end_capture(stream, &handle);
  const Graph graph(context, handle);
  if (!enqueued) return enqueued.error();
  if (ended != kSuccess) return failed("the capture did not end: ", ended);
  if (nodes != nullptr && driver.graph_nodes(handle, nullptr, nodes) != kSuccess) *nodes = 0;
  GraphExecHandle executable = nullptr;
  if (const Status status = driver.graph_instantiate(&executable, handle, 0))
    return failed("the graph cannot be instantiated: ", status);
  return GraphExec(context, executable);
}

}  // namespace tft::cuda

#include "graph_capture.h"

namespace tft {

Result<cuda::GraphExec> capture_run(const cuda::ContextPointer& context, cuda::StreamHandle stream,
                                    tensorrt::Context& run, const Log& log) {
  const cuda::Driver& driver = context->driver();
  const auto failed = [&](const char* what, cuda::Status status) {
    return Error{ErrorCode::RUN, std::string(what) + driver.describe(status)};
  };
  if (const cuda::Status status = driver.stream_begin_capture(stream, cuda::kCaptureThreadLocal))
    return failed("the capture does not begin: ", status);

  const tensorrt::LogScope scope(log);
  const bool enqueued = run.enqueue(stream);
  cuda::GraphHandle handle = nullptr;
  const cuda::Status ended = driver.stream_end_capture(stream, &handle);
  const cuda::Graph graph(context, handle);
  if (!enqueued)
    return Error{ErrorCode::RUN, "TensorRT's run cannot be captured; it says: " + scope.errors()};
  if (ended != cuda::kSuccess) return failed("the capture does not end: ", ended);
  cuda::GraphExecHandle executable = nullptr;
  if (const cuda::Status status = driver.graph_instantiate(&executable, handle, 0))
    return failed("the graph cannot be instantiated: ", status);
  return cuda::GraphExec(context, executable);
}

}  // namespace tft

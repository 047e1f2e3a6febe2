#include "tensorrt/capture_run.h"

#include "cuda/graph_capture.h"
#include "tensorrt/log_scope.h"

namespace tft {

Result<cuda::GraphExec> capture_run(const cuda::ContextPointer& context, cuda::StreamHandle stream,
                                    tensorrt::Context& run, const Log& log, std::size_t* nodes) {
  return cuda::capture_graph(
      context, stream,
      [&]() -> Result<void> {
        const tensorrt::LogScope scope(log);
        if (run.enqueue(stream)) return {};
        return Error{ErrorCode::RUN, "TensorRT's run cannot be captured; it says: " + scope.errors()};
      },
      nodes);
}

}  // namespace tft

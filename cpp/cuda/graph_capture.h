// Captures work on a stream as a CUDA graph.
#pragma once

#include <cstddef>
#include <functional>

#include "cuda/objects.h"
#include "tft/result.h"

namespace tft::cuda {

/// Captures the work that `enqueue` puts on the stream. The stream is not capturing afterwards, even after an
/// error. `nodes`, unless null, gets the number of kernels, copies and fills in the graph.
Result<GraphExec> capture_graph(const ContextPointer& context, StreamHandle stream,
                                const std::function<Result<void>()>& enqueue, std::size_t* nodes = nullptr);

}  // namespace tft::cuda

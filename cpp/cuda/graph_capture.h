// Captures work on a stream as a CUDA graph.
#pragma once

#include <cstddef>
#include <functional>

#include "cuda/objects.h"
#include "tft/result.h"

namespace tft::cuda {

/// Captures what `enqueue` puts on the stream. Whatever goes wrong, the stream is out of capture afterwards;
/// the error says why there is no graph. `nodes`, unless null, gets how many kernels, copies and fills it
/// launches.
Result<GraphExec> capture_graph(const ContextPointer& context, StreamHandle stream,
                                const std::function<Result<void>()>& enqueue, std::size_t* nodes = nullptr);

}  // namespace tft::cuda

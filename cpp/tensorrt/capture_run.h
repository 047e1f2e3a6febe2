// Captures a run of TensorRT's as a CUDA graph.
#pragma once

#include "cuda/objects.h"
#include "tensorrt/api.h"
#include "tft/log.h"
#include "tft/result.h"

namespace tft {

/// Captures what `run` enqueues, which must have run once with the same shapes. Whatever goes wrong, the
/// stream is out of capture afterwards; the error says why there is no graph. `nodes` as in capture_graph.
Result<cuda::GraphExec> capture_run(const cuda::ContextPointer& context, cuda::StreamHandle stream,
                                    tensorrt::Context& run, const Log& log, std::size_t* nodes = nullptr);

}  // namespace tft

// Captures a TensorRT run as a CUDA graph.
#pragma once

#include "cuda/objects.h"
#include "tensorrt/api.h"
#include "tft/log.h"
#include "tft/result.h"

namespace tft {

/// Captures the work that `run` enqueues; it must have run once with the same shapes. The stream is not
/// capturing afterwards, even after an error. `nodes` as in capture_graph.
Result<cuda::GraphExec> capture_run(const cuda::ContextPointer& context, cuda::StreamHandle stream,
                                    tensorrt::Context& run, const Log& log, std::size_t* nodes = nullptr);

}  // namespace tft

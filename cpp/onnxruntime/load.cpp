// Loads an ONNX file into an engine.
#include "engine/host_lane.h"
#include "engine/no_exceptions.h"
#include "engine/option_checks.h"
#include "onnxruntime/session.h"
#include "tft/onnxruntime.h"

namespace tft {
namespace {

/// The time for each series falls until a batch of about eight; a larger one would make others wait longer.
constexpr int kPreferredBatch = 8;

using Loaded = Result<std::unique_ptr<TFTEngine>>;

}  // namespace

Loaded load_onnxruntime(const std::string& onnx, const ModelShape& shape, const EngineOptions& options) {
  return without_exceptions<std::unique_ptr<TFTEngine>>("loading", [&]() -> Loaded {
    if (auto error = check_engine_options(options)) return *error;
    const int max_batch = options.max_batch != 0 ? options.max_batch : kPreferredBatch;
    if (auto error = in_range("maxBatch", max_batch, 1, 1 << 20)) return *error;
    auto session = onnxruntime::Session::load(onnx, shape);
    if (!session) return session.error();
    auto lanes =
        std::make_unique<HostLaneFactory>(std::move(session).value(), shape, options.lanes, max_batch);
    return TFTEngine::over(std::move(lanes), shape, options);
  });
}

}  // namespace tft

// Loads a TorchScript module into an engine.
#include "engine/host_lane.h"
#include "engine/no_exceptions.h"
#include "engine/option_checks.h"
#include "libtorch/module.h"
#include "tft/libtorch.h"

namespace tft {
namespace {

/// As for ONNX Runtime: on a CPU a larger batch would only make others wait longer.
constexpr int kPreferredBatch = 8;
/// A GPU has more arithmetic units than eight series occupy.
constexpr int kPreferredGpuBatch = 64;
constexpr int kMaxThreads = 1024;

using Loaded = Result<std::unique_ptr<TFTEngine>>;

}  // namespace

Loaded load_libtorch(const std::string& module, const ModelShape& shape, const LibTorchOptions& libtorch,
                     const EngineOptions& options) {
  return without_exceptions<std::unique_ptr<TFTEngine>>("loading", [&]() -> Loaded {
    if (auto error = check_engine_options(options)) return *error;
    if (auto error = in_range("libtorch.threads", libtorch.threads, 1, kMaxThreads)) return *error;
    const bool is_cpu = libtorch.device == "cpu";
    const int preferred = is_cpu ? kPreferredBatch : kPreferredGpuBatch;
    const int max_batch = options.max_batch != 0 ? options.max_batch : preferred;
    if (auto error = in_range("maxBatch", max_batch, 1, 1 << 20)) return *error;
    if (const auto items = item_bytes(shape); !items) return items.error();
    auto loaded = libtorch::Module::load(module, shape, libtorch);
    if (!loaded) return loaded.error();
    auto lanes =
        std::make_unique<HostLaneFactory>(std::move(loaded).value(), shape, options.lanes, max_batch);
    return TFTEngine::over(std::move(lanes), shape, options);
  });
}

}  // namespace tft

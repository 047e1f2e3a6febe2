// Loads a TorchScript module into an engine.
#include "engine/host_lane.h"
#include "engine/option_checks.h"
#include "libtorch/module.h"
#include "tft/libtorch.h"

namespace tft {
namespace {

/// A GPU has more arithmetic units than eight series occupy.
constexpr int kPreferredGpuBatch = 64;
constexpr int kMaxThreads = 1024;

}  // namespace

Result<std::unique_ptr<TFTEngine>> load_libtorch(const std::string& module, const ModelShape& shape,
                                                 const LibTorchOptions& libtorch,
                                                 const EngineOptions& options) {
  const bool on_cpu = libtorch.device == "cpu";
  EngineOptions own = options;
  // Launching the kernels takes most of a run's time on a GPU, whatever its size.
  if (!on_cpu && own.split_from == kSplitAsSuits) own.split_from = 0;
  const int preferred = on_cpu ? kPreferredCpuBatch : kPreferredGpuBatch;
  return engine_over_host(shape, own, preferred, [&]() -> Result<std::unique_ptr<HostModel>> {
    if (auto error = in_range("libtorch.threads", libtorch.threads, 1, kMaxThreads)) return *error;
    if (const auto items = item_bytes(shape); !items) return items.error();
    auto loaded = libtorch::Module::load(module, shape, libtorch);
    if (!loaded) return loaded.error();
    return std::unique_ptr<HostModel>(std::move(loaded).value());
  });
}

}  // namespace tft

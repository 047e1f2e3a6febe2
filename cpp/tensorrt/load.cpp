// Loads a plan into an engine.
#include <set>

#include "cuda/objects.h"
#include "engine/no_exceptions.h"
#include "engine/option_checks.h"
#include "engine/staging.h"
#include "tensorrt/lane_factory.h"
#include "tft/tensorrt.h"

namespace tft {
namespace {

using Loaded = Result<std::unique_ptr<TFTEngine>>;

std::optional<Error> check_options(const EngineOptions& options, const LibraryReport& report) {
  if (auto error = check_engine_options(options)) return error;
  if (options.devices.empty()) return option_error("devices: the list is empty; at least one is expected");
  for (const int device : options.devices)
    if (auto error = check_device(device, report)) return error;
  if (std::set<int>(options.devices.begin(), options.devices.end()).size() != options.devices.size())
    return option_error("devices: one is named twice; the option lanes sets the number of lanes of each");
  return std::nullopt;
}

void log_loaded(const EngineInfo& info, const EngineOptions& options) {
  if (!options.log) return;
  const std::size_t lanes = info.devices.size() * static_cast<std::size_t>(options.lanes);
  options.log(LogLevel::INFO, std::string("TensorRT ") + (info.rtx ? "for RTX " : "") +
                                  info.tensorrt_version + (info.lean ? " (lean)" : "") +
                                  " runs the plan on " + std::to_string(lanes) + " lanes, batches up to " +
                                  std::to_string(info.max_batch) + ", " +
                                  cuda::readable_bytes(info.devices.front().activation_bytes) +
                                  " of activations for each lane");
}

Loaded load(std::span<const std::byte> plan, const ModelShape& shape, const EngineOptions& options) {
  // Check this before loading the plan, which takes seconds.
  if (const auto bytes = item_bytes(shape); !bytes) return bytes.error();
  Libraries libraries = open_libraries(options.libraries);
  if (libraries.report.problem) return *libraries.report.problem;
  if (auto error = check_options(options, libraries.report)) return *error;
  if (options.log && !libraries.report.warning.empty()) options.log(LogLevel::WARN, libraries.report.warning);
  auto factory = TensorRTLaneFactory::load(std::move(libraries), plan, shape, options);
  if (!factory) return factory.error();
  auto engine = TFTEngine::over(std::move(factory).value(), shape, options);
  if (engine.ok()) log_loaded((*engine)->info(), options);
  return engine;
}

}  // namespace

Loaded load_tensorrt(std::span<const std::byte> plan, const ModelShape& shape, const EngineOptions& options) {
  return without_exceptions<std::unique_ptr<TFTEngine>>("loading",
                                                        [&] { return load(plan, shape, options); });
}

}  // namespace tft

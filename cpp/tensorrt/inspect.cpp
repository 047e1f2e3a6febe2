// Inspects a plan with TensorRT.
#include "tft/inspect.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "engine/no_exceptions.h"
#include "engine/option_checks.h"
#include "tensorrt/device_engine.h"
#include "tensorrt/libraries.h"
#include "tensorrt/log_scope.h"

namespace tft {
namespace {

/// A plan on a device, and the libraries that read it.
struct Opened {
  Libraries libraries;
  std::unique_ptr<DeviceEngine> device;
};

Result<Opened> open(std::span<const std::byte> plan, const EngineOptions& options) {
  Opened opened;
  opened.libraries = open_libraries(options.libraries);
  const LibraryReport& report = opened.libraries.report;
  if (report.problem) return *report.problem;
  if (options.devices.empty()) return option_error("devices: the list is empty; at least one is expected");
  const int ordinal = options.devices.front();
  if (auto error = check_device(ordinal, report)) return *error;
  auto device = DeviceEngine::load(opened.libraries, ordinal, plan,
                                   {options.allow_host_code, options.plugins}, options.log);
  if (!device) return device.error();
  opened.device = std::move(device).value();
  return opened;
}

std::vector<PlanTensor> tensors_of(const tensorrt::Engine& engine) {
  std::vector<PlanTensor> all;
  for (const tensorrt::TensorInfo& tensor : engine.tensors())
    all.push_back({tensor.name, tensor.input, tensor.type, tensor.dims});
  return all;
}

/// The batch range of each profile over all inputs.
std::vector<BatchRange> batches_of(const tensorrt::Engine& engine, const std::vector<PlanTensor>& tensors) {
  const auto bounded = [](std::int64_t value) {
    return static_cast<int>(std::clamp<std::int64_t>(value, 0, std::numeric_limits<int>::max()));
  };
  std::vector<BatchRange> all;
  for (int profile = 0; profile < engine.profiles(); ++profile) {
    BatchRange batches{0, 0, std::numeric_limits<int>::max()};
    bool any = false;
    for (const PlanTensor& tensor : tensors) {
      if (!tensor.input) continue;
      const auto range = engine.profile_range(tensor.name, profile);
      if (range.min.empty() || range.opt.empty() || range.max.empty()) continue;
      any = true;
      batches.min = std::max(batches.min, bounded(range.min.front()));
      batches.opt = std::max(batches.opt, bounded(range.opt.front()));
      batches.max = std::min(batches.max, bounded(range.max.front()));
    }
    if (any) all.push_back(batches);
  }
  return all;
}

Result<PlanReport> inspect_tensors(std::span<const std::byte> plan, const EngineOptions& options) {
  const auto opened = open(plan, options);
  if (!opened) return opened.error();
  PlanReport report;
  report.tensors = tensors_of(opened->device->engine());
  for (const BatchRange& batches : batches_of(opened->device->engine(), report.tensors))
    report.max_batch = std::max(report.max_batch, batches.max);
  return report;
}

Result<EngineReport> inspect_all(std::span<const std::byte> plan, const EngineOptions& options) {
  const auto opened = open(plan, options);
  if (!opened) return opened.error();
  const DeviceEngine& device = *opened->device;
  const tensorrt::Engine& engine = device.engine();
  EngineReport report;
  report.tensorrt_version = opened->libraries.report.tensorrt.text();
  report.name = engine.name();
  report.tensors = tensors_of(engine);
  report.profiles = batches_of(engine, report.tensors);
  for (int profile = 0; profile < engine.profiles(); ++profile)
    report.activation_bytes =
        std::max(report.activation_bytes,
                 static_cast<std::uint64_t>(std::max<std::int64_t>(0, engine.activation_bytes(profile))));
  report.weights_bytes = device.weights_bytes();
  report.plan_bytes = plan.size();

  const cuda::CurrentContext current(*device.context());
  if (current.status() != cuda::kSuccess)
    return failure(device.context()->driver(), current.status(), "using a GPU");
  const tensorrt::LogScope scope(options.log);
  report.layers = engine.layers();
  if (report.layers.empty())
    return Error{ErrorCode::RUN, "TensorRT's inspector fails; it says: " + scope.errors()};
  return report;
}

}  // namespace

Result<PlanReport> inspect_plan(std::span<const std::byte> plan, const EngineOptions& options) {
  return without_exceptions<PlanReport>("inspecting", [&] { return inspect_tensors(plan, options); });
}

Result<EngineReport> inspect_engine(std::span<const std::byte> plan, const EngineOptions& options) {
  return without_exceptions<EngineReport>("inspecting", [&] { return inspect_all(plan, options); });
}

}  // namespace tft

// Loads a plan on devices, and makes lanes that share it.
#include "tensorrt/lane_factory.h"

#include <string>
#include <utility>

#include "tensorrt/lane.h"

namespace tft {

Result<std::unique_ptr<LaneFactory>> TensorRTLaneFactory::load(Libraries libraries,
                                                               std::span<const std::byte> plan,
                                                               const ModelShape& shape,
                                                               const EngineOptions& options) {
  std::unique_ptr<TensorRTLaneFactory> made(new TensorRTLaneFactory(std::move(libraries), shape, options));
  if (auto loaded = made->load_devices(plan); !loaded) return loaded.error();
  const auto profiles = check_plan(shape, made->devices_.front()->engine());
  if (!profiles) return profiles.error();
  auto buckets = choose_buckets(*profiles, options.max_batch);
  if (!buckets) return buckets.error();
  made->buckets_ = std::move(buckets).value();
  made->max_batch_ = options.max_batch != 0 ? options.max_batch : made->buckets_.back().size;
  made->plan_bytes_ = plan.size();
  return std::unique_ptr<LaneFactory>(std::move(made));
}

Result<void> TensorRTLaneFactory::load_devices(std::span<const std::byte> plan) {
  for (const int ordinal : options_.devices) {
    auto device = DeviceEngine::load(libraries_, ordinal, plan,
                                     {options_.allow_host_code, options_.plugins, options_.runtime_cache},
                                     options_.log);
    if (!device) return device.error();
    devices_.push_back(std::move(device).value());
  }
  return {};
}

Result<std::vector<std::unique_ptr<Lane>>> TensorRTLaneFactory::make_lanes(
    std::function<void(const std::string& why)> captured) {
  const Result<ItemBytes> items = item_bytes(shape_);
  if (!items) return items.error();
  std::vector<std::unique_ptr<Lane>> lanes;
  // Neighbouring lanes are on different devices, because the queue takes the idle lane with the lowest
  // number.
  for (int i = 0; i < options_.lanes; ++i) {
    for (const auto& device : devices_) {
      LaneOptions options;
      options.name = "lane " + std::to_string(i) + " of GPU " + std::to_string(device->context()->ordinal());
      options.shape = &shape_;
      options.items = *items;
      options.buckets = buckets_;
      options.max_batch = max_batch_;
      options.cuda_graphs = options_.cuda_graphs;
      options.log = &options_.log;
      options.making = &device->making();
      options.captured = captured;
      auto lane = TensorRTLane::create(device->context(), device->engine(), std::move(options));
      if (!lane) return lane.error();
      if (i == 0) {
        LaneDevice& one = described_.emplace_back();
        one.device = libraries_.report.devices[static_cast<std::size_t>(device->context()->ordinal())];
        one.lanes = options_.lanes;
        one.weights_bytes = device->weights_bytes();
        one.activation_bytes = static_cast<std::uint64_t>((*lane)->activation_bytes());
        one.buffer_bytes = (*lane)->buffer_bytes();
      }
      lanes.push_back(std::move(lane).value());
    }
  }
  return lanes;
}

Result<std::byte*> TensorRTLaneFactory::allocate_staging(std::size_t bytes) {
  const cuda::ContextPointer& context = devices_.front()->context();
  const cuda::CurrentContext current(*context);
  if (current.status() != cuda::kSuccess)
    return failure(context->driver(), current.status(), "making staging memory");
  auto pinned = cuda::allocate_pinned(context, bytes, "staging memory");
  if (!pinned) return pinned.error();
  staging_ = std::move(pinned).value();
  return static_cast<std::byte*>(staging_.get());
}

void TensorRTLaneFactory::describe(EngineInfo& info) const {
  const LibraryReport& report = libraries_.report;
  info.tensorrt_path = report.tensorrt_path;
  info.tensorrt_version = report.tensorrt.text();
  info.lean = report.lean;
  info.rtx = report.rtx;
  info.cuda_path = report.cuda_path;
  info.cuda_version = report.cuda_version;
  info.devices = described_;
  info.max_batch = max_batch_;
  for (const Bucket& bucket : buckets_) info.buckets.push_back(bucket.size);
  info.plan_bytes = plan_bytes_;
  info.cuda_graphs = options_.cuda_graphs;
}

/// The first device's; the others usually are of its kind, and compile the same kernels.
std::vector<std::byte> TensorRTLaneFactory::runtime_cache() const {
  return devices_.front()->runtime_cache(options_.log);
}

}  // namespace tft

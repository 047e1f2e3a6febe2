// Finds the model's folder and version, and loads its engine.
#include "server/load_model.h"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <thread>

#include "tft/onnxruntime.h"
#include "tft/plan_file.h"
#include "tft/tensorrt.h"

namespace tft::server {
namespace {

namespace fs = std::filesystem;

/// Each lane has its own intermediate results, so memory limits their number.
constexpr unsigned kMaxLanes = 8;

struct Source {
  std::string path;
  std::string version;
};

/// The number of a folder that is named as a version; 0 if it is not.
std::int64_t version_of(const std::string& name) {
  std::int64_t version = 0;
  const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), version);
  const bool is_version =
      problem == std::errc() && end == name.data() + name.size() && !name.starts_with('0');
  return is_version ? version : 0;
}

/// A folder with subfolders 1, 2, 3 … and no model.json is a folder of versions, of which the largest is
/// served. Else the version is the folder's name, after following links, if that is a number.
Source find_source(const std::string& path) {
  std::error_code problem;
  const fs::path real = fs::canonical(path, problem);
  if (problem || !fs::is_directory(real, problem)) return {path, "1"};
  if (!fs::exists(real / "model.json", problem)) {
    std::int64_t newest = 0;
    for (const auto& entry : fs::directory_iterator(real, problem))
      newest = std::max(newest, version_of(entry.path().filename()));
    if (newest > 0) return {real / std::to_string(newest), std::to_string(newest)};
  }
  const std::string name = real.filename();
  return {real, version_of(name) > 0 ? name : "1"};
}

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

Result<void> load_on_gpu(const Settings& settings, EngineOptions options, ServedModel& model) {
  options.libraries.tensorrt_path = settings.tensorrt;
  options.libraries.cuda_path = settings.cuda;
  options.plugins = settings.plugins;
  options.lanes = static_cast<int>(settings.lanes);
  if (!settings.devices.empty()) options.devices.clear();
  for (const std::string& device : settings.devices) {
    int number = -1;
    std::from_chars(device.data(), device.data() + device.size(), number);
    options.devices.push_back(number);
  }
  std::error_code ignored;
  if (!fs::exists(settings.engine, ignored))
    return Error{ErrorCode::MODEL_NOT_FOUND, "no plan at " + settings.engine};
  auto engine = with_plan_file(settings.engine, [&](std::span<const std::byte> plan) {
    return load_tensorrt(plan, model.description.shape, options);
  });
  if (!engine) return engine.error();
  model.engine = std::move(engine).value();
  model.backend = "tensorrt";
  model.precision = "unknown";  // a plan does not tell
  model.device = model.engine->info().devices.front().device.name;
  model.lanes = options.lanes * static_cast<int>(options.devices.size());
  return {};
}

Result<void> load_on_cpu(const Settings& settings, EngineOptions options, ServedModel& model) {
  const auto library = open_onnxruntime(settings.onnxruntime);
  if (!library) return library.error();
  if (auto verified = bundle::verify_onnx(model.description); !verified) return verified;
  const unsigned processors = std::max(std::thread::hardware_concurrency(), 1U);
  options.lanes = settings.threads > 0 ? static_cast<int>(settings.threads)
                                       : static_cast<int>(std::min(processors, kMaxLanes));
  options.kernels = settings.kernels;
  auto engine = load_onnxruntime(model.description.onnx, model.description.shape, options);
  if (!engine) return engine.error();
  model.engine = std::move(engine).value();
  model.backend = "onnxruntime";
  model.precision = "fp32";
  model.device = "CPU (" + processor() + ")";
  model.lanes = options.lanes;
  return {};
}

}  // namespace

Result<std::unique_ptr<ServedModel>> load_model(const Settings& settings, ServerLog& log) {
  const Source source = find_source(settings.model);
  auto description = bundle::read_model(source.path);
  if (!description) return description.error();
  auto model = std::make_unique<ServedModel>();
  model->description = std::move(description).value();
  model->name = settings.name.empty() ? model->description.name : settings.name;
  model->version = source.version;
  model->queue_limit = static_cast<int>(settings.queue_limit);

  EngineOptions options;
  options.max_batch = static_cast<int>(settings.max_batch);
  options.queue_limit = model->queue_limit;
  options.log = [&log](LogLevel level, const std::string& message) {
    log.write(static_cast<ServerLog::Level>(static_cast<int>(level) + 1), message,
              Fields().text("part", "engine"));
  };
  const auto loaded = settings.engine.empty() ? load_on_cpu(settings, options, *model)
                                              : load_on_gpu(settings, options, *model);
  if (!loaded) return loaded.error();
  if (auto warm = model->engine->warmup(); !warm) return warm.error();
  return model;
}

}  // namespace tft::server

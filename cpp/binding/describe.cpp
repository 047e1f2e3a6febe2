#include "describe.h"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace tft::binding {
namespace {

/// An object under construction.
class Builder {
 public:
  explicit Builder(Napi::Env env) : env_(env), object_(Napi::Object::New(env)) {}

  Builder& set(const char* key, const std::string& value) { return put(key, Napi::String::New(env_, value)); }
  Builder& set(const char* key, bool value) { return put(key, Napi::Boolean::New(env_, value)); }
  Builder& set(const char* key, double value) { return put(key, Napi::Number::New(env_, value)); }
  Builder& set(const char* key, int value) { return set(key, static_cast<double>(value)); }
  Builder& set(const char* key, std::uint64_t value) { return set(key, static_cast<double>(value)); }

  template <class T, class Convert>
  Builder& set(const char* key, const std::vector<T>& values, Convert convert) {
    auto array = Napi::Array::New(env_, values.size());
    std::uint32_t index = 0;
    for (const T& value : values) array.Set(index++, convert(value));
    return put(key, array);
  }

  template <class T>
  Builder& set_numbers(const char* key, const std::vector<T>& values) {
    return set(key, values, [this](T value) { return Napi::Number::New(env_, static_cast<double>(value)); });
  }

  Builder& put(const char* key, const Napi::Value& value) {
    object_.Set(key, value);
    return *this;
  }

  Napi::Object done() { return object_; }

 private:
  Napi::Env env_;
  Napi::Object object_;
};

Napi::Object describe(Napi::Env env, const DeviceReport& device) {
  return Builder(env)
      .set("index", device.index)
      .set("name", device.name)
      .set("computeCapability",
           std::to_string(device.compute_major) + "." + std::to_string(device.compute_minor))
      .set("memoryBytes", device.memory_bytes)
      .done();
}

Napi::Object describe(Napi::Env env, const PlanTensor& tensor) {
  return Builder(env)
      .set("name", tensor.name)
      .set("input", tensor.input)
      .set("type", tensor.type)
      .set_numbers("shape", tensor.shape)
      .done();
}

const char* library_name(LibraryAttempt::Library library) {
  switch (library) {
    case LibraryAttempt::Library::CUDA:
      return "cuda";
    case LibraryAttempt::Library::TENSORRT:
      return "tensorrt";
    case LibraryAttempt::Library::PARSER:
      return "parser";
  }
  return "";
}

}  // namespace

Napi::Value bytes_to_js(Napi::Env env, std::vector<std::byte> bytes) {
  if (bytes.empty()) return Napi::Uint8Array::New(env, 0);
  auto* const owner = std::make_unique<std::vector<std::byte>>(std::move(bytes)).release();
  const auto memory =
      Napi::ArrayBuffer::New(env, owner->data(), owner->size(), [owner](Napi::Env, void*) { delete owner; });
  return Napi::Uint8Array::New(env, owner->size(), memory, 0);
}

Napi::Object describe(Napi::Env env, const LibraryReport& report) {
  Builder builder(env);
  builder.set("cudaPath", report.cuda_path)
      .set("cudaVersion", report.cuda_version)
      .set("devices", report.devices, [env](const DeviceReport& device) { return describe(env, device); })
      .set("tensorrtPath", report.tensorrt_path)
      .set("tensorrtVersion", report.tensorrt_path.empty() ? std::string() : report.tensorrt.text())
      .set("lean", report.lean)
      .set("rtx", report.rtx)
      .set("parserPath", report.parser_path)
      .set("warning", report.warning)
      .set("attempts", report.attempts, [env](const LibraryAttempt& attempt) {
        return Builder(env)
            .set("library", std::string(library_name(attempt.library)))
            .set("path", attempt.path)
            .set("source", attempt.source)
            .set("taken", attempt.taken)
            .set("problem", attempt.problem)
            .done();
      });
  if (report.problem) {
    builder.put("problem", Builder(env)
                               .set("code", std::string(code_name(report.problem->code)))
                               .set("message", report.problem->message)
                               .done());
  }
  return builder.done();
}

Napi::Object describe(Napi::Env env, const PlanReport& report) {
  return Builder(env)
      .set("tensors", report.tensors, [env](const PlanTensor& tensor) { return describe(env, tensor); })
      .set("maxBatch", report.max_batch)
      .done();
}

Napi::Value describe_tensors(Napi::Env env, const std::vector<PlanTensor>& tensors) {
  auto array = Napi::Array::New(env, tensors.size());
  std::uint32_t index = 0;
  for (const PlanTensor& tensor : tensors) array.Set(index++, describe(env, tensor));
  return array;
}

Napi::Value describe_network(Napi::Env env, const std::vector<NetworkLayer>& layers) {
  auto array = Napi::Array::New(env, layers.size());
  std::uint32_t index = 0;
  for (const NetworkLayer& layer : layers)
    array.Set(index++, Builder(env).set("name", layer.name).set("type", layer.type).done());
  return array;
}

Napi::Object describe(Napi::Env env, const EngineReport& report) {
  return Builder(env)
      .set("tensorrtVersion", report.tensorrt_version)
      .set("name", report.name)
      .set("tensors", report.tensors, [env](const PlanTensor& tensor) { return describe(env, tensor); })
      .set("profiles", report.profiles,
           [env](const BatchRange& batches) {
             return Builder(env)
                 .set("min", batches.min)
                 .set("opt", batches.opt)
                 .set("max", batches.max)
                 .done();
           })
      .set("layers", report.layers)
      .set("activationBytes", report.activation_bytes)
      .set("weightsBytes", report.weights_bytes)
      .set("planBytes", report.plan_bytes)
      .done();
}

Napi::Object describe(Napi::Env env, const Measured& measured) {
  static_assert(sizeof(Sample) == 7 * sizeof(double));
  auto samples = Napi::Float64Array::New(env, 7 * measured.samples.size());
  if (!measured.samples.empty())
    std::memcpy(samples.Data(), measured.samples.data(), measured.samples.size() * sizeof(Sample));
  Builder builder(env);
  builder.set("batch", measured.batch)
      .set("iterations", static_cast<std::uint64_t>(measured.samples.size()))
      .set("wallMs", measured.wall_ms)
      .put("samples", samples)
      .set("graph", measured.graph)
      .set("graphNodes", static_cast<std::uint64_t>(measured.graph_nodes));
  if (!measured.layers.empty())
    builder.set("layers", measured.layers, [env](const LayerTime& layer) {
      return Builder(env)
          .set("name", layer.name)
          .set("averageMs", layer.average_ms)
          .set("calls", static_cast<double>(layer.calls))
          .done();
    });
  return builder.done();
}

Napi::Object describe(Napi::Env env, const BuildProgress& progress) {
  return Builder(env)
      .set("phase", progress.phase)
      .set("parent", progress.parent)
      .set("done", progress.done)
      .set("steps", progress.steps)
      .done();
}

Napi::Object describe(Napi::Env env, const EngineInfo& info) {
  return Builder(env)
      .set("tensorrtPath", info.tensorrt_path)
      .set("tensorrtVersion", info.tensorrt_version)
      .set("lean", info.lean)
      .set("rtx", info.rtx)
      .set("cudaPath", info.cuda_path)
      .set("cudaVersion", info.cuda_version)
      .set("devices", info.devices,
           [env](const LaneDevice& lane) {
             return Builder(env)
                 .put("device", describe(env, lane.device))
                 .set("lanes", lane.lanes)
                 .set("weightsBytes", lane.weights_bytes)
                 .set("activationBytes", lane.activation_bytes)
                 .set("bufferBytes", lane.buffer_bytes)
                 .done();
           })
      .set("maxBatch", info.max_batch)
      .set_numbers("buckets", info.buckets)
      .set("pinnedBytes", info.pinned_bytes)
      .set("planBytes", info.plan_bytes)
      .set("cudaGraphs", info.cuda_graphs)
      .set("kernels", info.kernels, [env](const std::string& part) { return Napi::String::New(env, part); })
      .set("instructions", info.instructions)
      .done();
}

Napi::Object describe(Napi::Env env, const Counters& counters) {
  return Builder(env)
      .set("accepted", counters.accepted)
      .set("succeeded", counters.succeeded)
      .set("failed", counters.failed)
      .set("cancelled", counters.cancelled)
      .set("expired", counters.expired)
      .set("refused", counters.refused)
      .set("series", counters.series)
      .set("batches", counters.batches)
      .set("graphLaunches", counters.graph_launches)
      .set("plainLaunches", counters.plain_launches)
      .set("captures", counters.captures)
      .set("captureFailures", counters.capture_failures)
      .set("queueMicroseconds", counters.queue_us)
      .set("copyInMicroseconds", counters.copy_in_us)
      .set("runMicroseconds", counters.run_us)
      .set("copyOutMicroseconds", counters.copy_out_us)
      .set_numbers("batchSizes", counters.batch_sizes)
      .set("waitingSeries", counters.waiting_series)
      .set("runningBatches", counters.running_batches)
      .done();
}

Napi::Value describe(Napi::Env env, const std::vector<GpuStatus>& gpus) {
  auto list = Napi::Array::New(env, gpus.size());
  for (std::uint32_t index = 0; index < gpus.size(); ++index) {
    const GpuStatus& status = gpus[index];
    auto object = Napi::Object::New(env);
    object.Set("uuid", status.uuid);
    object.Set("name", status.name);
    const auto set = [&](const char* key, const auto& value) {
      if (value) object.Set(key, Napi::Number::New(env, static_cast<double>(*value)));
    };
    set("utilization", status.utilization);
    set("powerWatts", status.power_watts);
    set("powerLimitWatts", status.power_limit_watts);
    set("energyJoules", status.energy_joules);
    set("memoryTotalBytes", status.memory_total_bytes);
    set("memoryUsedBytes", status.memory_used_bytes);
    list.Set(index, object);
  }
  return list;
}

Napi::Object describe(Napi::Env env, const LibTorchReport& report) {
  auto object = Napi::Object::New(env);
  object.Set("path", report.path);
  object.Set("version", report.version);
  return object;
}

}  // namespace tft::binding

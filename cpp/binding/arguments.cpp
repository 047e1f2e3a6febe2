#include "arguments.h"

namespace tft::binding {
namespace {

std::string text(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}

bool flag(const Napi::Object& object, const char* key) { return object.Get(key).ToBoolean(); }

/// Returns `otherwise` if the option is not given.
int number(const Napi::Object& object, const char* key, int otherwise) {
  const Napi::Value value = object.Get(key);
  return value.IsNumber() ? value.As<Napi::Number>().Int32Value() : otherwise;
}

double real(const Napi::Object& object, const char* key, double otherwise) {
  const Napi::Value value = object.Get(key);
  return value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : otherwise;
}

bool flag(const Napi::Object& object, const char* key, bool otherwise) {
  return object.Get(key).IsBoolean() ? flag(object, key) : otherwise;
}

template <class T, class Read>
std::vector<T> list(const Napi::Value& value, Read read) {
  std::vector<T> items;
  if (!value.IsArray()) return items;
  const auto array = value.As<Napi::Array>();
  for (std::uint32_t i = 0; i < array.Length(); i++) items.push_back(read(array.Get(i)));
  return items;
}

std::vector<std::string> texts(const Napi::Value& value) {
  return list<std::string>(value,
                           [](const Napi::Value& item) { return item.As<Napi::String>().Utf8Value(); });
}

std::int32_t integer(const Napi::Value& value) { return value.As<Napi::Number>().Int32Value(); }

TensorShape tensor(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  TensorShape shape;
  shape.name = text(object, "name");
  shape.type = text(object, "type") == "int32" ? ElementType::INT32 : ElementType::FLOAT32;
  shape.item = list<std::int64_t>(object.Get("item"), integer);
  shape.codes = list<std::int32_t>(object.Get("codes"), integer);
  return shape;
}

/// Reads `inputs`, and `outputs` or a single `output`. `codes` applies to each category input without codes
/// of its own.
ModelShape model_shape(const Napi::Object& object) {
  ModelShape shape;
  shape.inputs = list<TensorShape>(object.Get("inputs"), tensor);
  shape.outputs = list<TensorShape>(object.Get("outputs"), tensor);
  const Napi::Value output = object.Get("output");
  if (shape.outputs.empty() && output.IsObject()) shape.outputs.push_back(tensor(output));
  const auto codes = list<std::int32_t>(object.Get("codes"), integer);
  for (TensorShape& input : shape.inputs)
    if (input.type == ElementType::INT32 && input.codes.empty()) input.codes = codes;
  return shape;
}

BatchRange batch_range(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  return {number(object, "min", 0), number(object, "opt", 0), number(object, "max", 0)};
}

/// Copies, because another thread reads the bytes.
std::vector<std::byte> bytes(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) return {};
  const auto array = value.As<Napi::Uint8Array>();
  const auto* const data = reinterpret_cast<const std::byte*>(array.Data());
  return {data, data + array.ByteLength()};
}

HardwareCompatibility hardware_compatibility(const std::string& name) {
  if (name == "ampere+") return HardwareCompatibility::AMPERE_PLUS;
  if (name == "sameComputeCapability") return HardwareCompatibility::SAME_COMPUTE_CAPABILITY;
  return HardwareCompatibility::NONE;
}

}  // namespace

bool read_view(napi_env env, napi_value value, ElementType type, View& view) {
  bool is_view = false;
  if (napi_is_typedarray(env, value, &is_view) != napi_ok || !is_view) return false;
  napi_typedarray_type found = napi_uint8_array;
  void* data = nullptr;
  napi_value memory = nullptr;
  if (napi_get_typedarray_info(env, value, &found, &view.length, &data, &memory, nullptr) != napi_ok)
    return false;
  if (found != (type == ElementType::FLOAT32 ? napi_float32_array : napi_int32_array)) return false;
  view.data = data;
  // A view's memory is either an ArrayBuffer or a SharedArrayBuffer.
  bool is_private = true;
  napi_is_arraybuffer(env, memory, &is_private);
  view.shared = !is_private;
  return true;
}

LoaderOptions read_loader_options(const Napi::Object& object) {
  LoaderOptions options;
  options.cuda_path = text(object, "cudaPath");
  options.tensorrt_path = text(object, "tensorrtPath");
  options.rtx = flag(object, "rtx");
  options.survey = flag(object, "survey");
  options.without_cuda = flag(object, "withoutCuda");
  return options;
}

LoadArguments read_load_arguments(const Napi::Object& object) {
  LoadArguments arguments;
  arguments.plan = text(object, "plan");
  arguments.shape = model_shape(object);

  EngineOptions& options = arguments.options;
  options.libraries = read_loader_options(object);
  const auto devices = list<int>(object.Get("devices"), integer);
  if (!devices.empty()) options.devices = devices;
  options.lanes = number(object, "lanes", options.lanes);
  options.max_batch = number(object, "maxBatch", options.max_batch);
  options.queue_limit = number(object, "queueLimit", options.queue_limit);
  options.split_from = number(object, "splitFrom", options.split_from);
  options.cuda_graphs = flag(object, "cudaGraphs", options.cuda_graphs);
  options.poll = flag(object, "poll");
  options.allow_host_code = flag(object, "allowHostCode");
  options.plugins = texts(object.Get("plugins"));
  options.runtime_cache = bytes(object.Get("runtimeCache"));
  return arguments;
}

TorchScriptArguments read_torchscript_arguments(const Napi::Object& object) {
  TorchScriptArguments arguments;
  arguments.module = text(object, "module");
  arguments.shape = model_shape(object);
  arguments.libtorch.library = text(object, "library");
  arguments.libtorch.device = text(object, "device");
  arguments.libtorch.threads = number(object, "threads", arguments.libtorch.threads);
  EngineOptions& options = arguments.options;
  options.lanes = number(object, "lanes", options.lanes);
  options.max_batch = number(object, "maxBatch", options.max_batch);
  options.queue_limit = number(object, "queueLimit", options.queue_limit);
  return arguments;
}

OnnxRuntimeArguments read_onnxruntime_arguments(const Napi::Object& object) {
  OnnxRuntimeArguments arguments;
  arguments.onnx = text(object, "onnx");
  arguments.library = text(object, "library");
  arguments.shape = model_shape(object);
  EngineOptions& options = arguments.options;
  options.lanes = number(object, "lanes", options.lanes);
  options.max_batch = number(object, "maxBatch", options.max_batch);
  options.queue_limit = number(object, "queueLimit", options.queue_limit);
  options.nice = number(object, "nice", options.nice);
  options.kernels = flag(object, "kernels", options.kernels);
  return arguments;
}

BuildArguments read_build_arguments(const Napi::Object& object) {
  BuildArguments arguments;
  arguments.onnx = text(object, "onnx");
  arguments.shape = model_shape(object);
  BuildOptions& options = arguments.options;
  options.libraries = read_loader_options(object);
  options.device = number(object, "device", options.device);
  options.targets = list<int>(object.Get("targets"), integer);
  options.profiles = list<BatchRange>(object.Get("profiles"), batch_range);
  options.strongly_typed = flag(object, "stronglyTyped", options.strongly_typed);
  options.fp16 = flag(object, "fp16");
  options.int8 = flag(object, "int8");
  options.tf32 = flag(object, "tf32");
  const double workspace = real(object, "workspaceBytes", static_cast<double>(options.workspace_bytes));
  options.workspace_bytes = workspace >= 1 && workspace < 1e18 ? static_cast<std::size_t>(workspace) : 0;
  options.optimization_level = number(object, "optimizationLevel", options.optimization_level);
  options.version_compatible = flag(object, "versionCompatible");
  options.exclude_lean_runtime = flag(object, "excludeLeanRuntime");
  options.hardware_compatibility = hardware_compatibility(text(object, "hardwareCompatibility"));
  options.refittable = flag(object, "refittable");
  options.kernels = flag(object, "kernels", options.kernels);
  options.detailed_layers = flag(object, "detailedLayers", options.detailed_layers);
  options.timing_cache = bytes(object.Get("timingCache"));
  options.plugins = texts(object.Get("plugins"));
  return arguments;
}

MeasureArguments read_measure_arguments(const Napi::Object& object) {
  MeasureArguments arguments;
  arguments.plan = text(object, "plan");
  MeasureOptions& options = arguments.options;
  options.libraries = read_loader_options(object);
  options.device = number(object, "device", options.device);
  options.batch = number(object, "batch", options.batch);
  options.streams = number(object, "streams", options.streams);
  options.warm_up_ms = real(object, "warmUpMs", options.warm_up_ms);
  options.duration_ms = real(object, "durationMs", options.duration_ms);
  options.iterations = number(object, "iterations", options.iterations);
  options.cuda_graph = flag(object, "cudaGraph");
  options.data_transfers = flag(object, "dataTransfers", options.data_transfers);
  options.spin_wait = flag(object, "spinWait");
  options.allow_host_code = flag(object, "allowHostCode");
  options.plugins = texts(object.Get("plugins"));
  options.layer_profile = flag(object, "layerProfile");
  return arguments;
}

}  // namespace tft::binding

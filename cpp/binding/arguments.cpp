#include "arguments.h"

namespace tft::binding {
namespace {

std::string text(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}

bool flag(const Napi::Object& object, const char* key) { return object.Get(key).ToBoolean(); }

/// `otherwise` where the option is not given.
int number(const Napi::Object& object, const char* key, int otherwise) {
  const Napi::Value value = object.Get(key);
  return value.IsNumber() ? value.As<Napi::Number>().Int32Value() : otherwise;
}

template <class T, class Read>
std::vector<T> list(const Napi::Value& value, Read read) {
  std::vector<T> items;
  if (!value.IsArray()) return items;
  const auto array = value.As<Napi::Array>();
  for (std::uint32_t i = 0; i < array.Length(); i++) items.push_back(read(array.Get(i)));
  return items;
}

std::int32_t integer(const Napi::Value& value) { return value.As<Napi::Number>().Int32Value(); }

TensorShape tensor(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  TensorShape shape;
  shape.name = text(object, "name");
  shape.type = text(object, "type") == "int32" ? ElementType::INT32 : ElementType::FLOAT32;
  shape.item = list<std::int64_t>(object.Get("item"), integer);
  return shape;
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
  // What is not an ArrayBuffer here is a SharedArrayBuffer.
  bool is_private = true;
  napi_is_arraybuffer(env, memory, &is_private);
  view.shared = !is_private;
  return true;
}

LoaderOptions read_loader_options(const Napi::Object& object) {
  LoaderOptions options;
  options.cuda_path = text(object, "cudaPath");
  options.tensorrt_path = text(object, "tensorrtPath");
  options.survey = flag(object, "survey");
  return options;
}

LoadArguments read_load_arguments(const Napi::Object& object) {
  LoadArguments arguments;
  arguments.plan = text(object, "plan");
  const auto inputs = list<TensorShape>(object.Get("inputs"), tensor);
  for (std::size_t i = 0; i < inputs.size() && i < arguments.shape.inputs.size(); i++) {
    arguments.shape.inputs[i] = inputs[i];
  }
  const Napi::Value output = object.Get("output");
  if (output.IsObject()) arguments.shape.output = tensor(output);
  arguments.codes = list<std::int32_t>(object.Get("codes"), integer);

  EngineOptions& options = arguments.options;
  options.libraries = read_loader_options(object);
  const auto devices = list<int>(object.Get("devices"), integer);
  if (!devices.empty()) options.devices = devices;
  options.lanes = number(object, "lanes", options.lanes);
  options.max_batch = number(object, "maxBatch", options.max_batch);
  options.queue_limit = number(object, "queueLimit", options.queue_limit);
  if (object.Get("cudaGraphs").IsBoolean()) options.cuda_graphs = flag(object, "cudaGraphs");
  options.poll = flag(object, "poll");
  options.allow_host_code = flag(object, "allowHostCode");
  return arguments;
}

}  // namespace tft::binding

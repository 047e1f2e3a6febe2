// TensorRT 11 behind the interfaces of api.h and builder_api.h.
#include <NvInfer.h>
#include <NvOnnxParser.h>

#define TFT_TENSORRT_MAJOR 11
#include "tensorrt/adapter.h"
// Must follow adapter.h.
#include "tensorrt/builder_adapter.h"
#include "tensorrt/plugin_adapter.h"

namespace tft::tensorrt {

std::unique_ptr<Runtime> create_runtime_11(void* create, std::int32_t version) {
  return create_runtime(create, version);
}

std::unique_ptr<Builder> create_builder_11(void* create, std::int32_t version) {
  return create_builder(create, version);
}

bool register_operators_11(void* get_registry, LauncherOfThread launcher) {
  return register_operators(get_registry, launcher);
}

void* const* operator_creators_11(LauncherOfThread launcher, std::int32_t& count) {
  return operator_creators(launcher, count);
}

}  // namespace tft::tensorrt

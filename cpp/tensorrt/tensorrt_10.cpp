// TensorRT 10 behind the interfaces of api.h and builder_api.h.
#include <NvInfer.h>
#include <NvOnnxParser.h>

#define TFT_TENSORRT_MAJOR 10
#include "tensorrt/adapter.h"
// After it.
#include "tensorrt/builder_adapter.h"

namespace tft::tensorrt {

std::unique_ptr<Runtime> create_runtime_10(void* create, std::int32_t version) {
  return create_runtime(create, version);
}

std::unique_ptr<Builder> create_builder_10(void* create, std::int32_t version) {
  return create_builder(create, version);
}

}  // namespace tft::tensorrt

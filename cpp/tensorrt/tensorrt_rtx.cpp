// TensorRT for RTX behind the interfaces of api.h and builder_api.h. Its networks take no plugins.
#include <NvInfer.h>
#include <NvOnnxParser.h>

#define TFT_TENSORRT_MAJOR 1
#define TFT_TENSORRT_RTX
#include "tensorrt/adapter.h"
// Must follow adapter.h.
#include "tensorrt/builder_adapter.h"

namespace tft::tensorrt {

std::unique_ptr<Runtime> create_runtime_rtx(void* create, std::int32_t version) {
  return create_runtime(create, version);
}

std::unique_ptr<Builder> create_builder_rtx(void* create, std::int32_t version) {
  return create_builder(create, version);
}

}  // namespace tft::tensorrt

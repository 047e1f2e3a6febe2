// TensorRT 10 behind the interface of tensorrt_api.h.
#include <NvInferRuntime.h>

#define TFT_TENSORRT_MAJOR 10
#include "tensorrt_adapter.h"

namespace tft::tensorrt {

std::unique_ptr<Runtime> create_runtime_10(void* create, std::int32_t version) {
  return create_runtime(create, version);
}

}  // namespace tft::tensorrt

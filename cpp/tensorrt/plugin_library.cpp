// The operators of cpp/plugins as a TensorRT plugin library of its own, for programs that run plans without
// this package: trtexec --staticPlugins, Triton's `plugins` of the TensorRT backend. One library for each
// major version (TFT_TENSORRT_MAJOR).
#include <dlfcn.h>

#include <cstdint>
#include <memory>

#include "cuda/driver.h"
#include "cuda/kernel_module.h"
#include "tensorrt/plugin_api.h"

namespace {

const tft::cuda::Driver* driver() {
  static const auto* const opened = []() -> const tft::cuda::Driver* {
    void* const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return nullptr;
    auto made = tft::cuda::Driver::from_library(library, "libcuda.so.1");
    return made.ok() ? made->release() : nullptr;  // lives until the process ends
  }();
  return opened;
}

tft::plugins::Launcher* launcher() {
  return driver() == nullptr ? nullptr : tft::cuda::current_launcher(*driver());
}

}  // namespace

#define TFT_EXPORT extern "C" __attribute__((visibility("default")))

/// Declared by NVIDIA as returning IPluginCreatorInterface* const*.
TFT_EXPORT void* const* getCreators(std::int32_t& count);
TFT_EXPORT void* const* getCreators(std::int32_t& count) {
#if TFT_TENSORRT_MAJOR == 10
  return tft::tensorrt::operator_creators_10(&launcher, count);
#else
  return tft::tensorrt::operator_creators_11(&launcher, count);
#endif
}

/// TensorRT looks for this function in every plugin library. The operators log through their own logger.
TFT_EXPORT void setLoggerFinder(void*);
TFT_EXPORT void setLoggerFinder(void*) {}

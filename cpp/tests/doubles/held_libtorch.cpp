// A library that runs LibTorch, or its double, and whose runs a test can hold (../held.h). TFT_HELD_LIBTORCH
// is the library itself, read whenever a module is loaded.
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "../held.h"
#include "libtorch/interface.h"

namespace {

void* real_library() {
  const char* const path = std::getenv("TFT_HELD_LIBTORCH");
  return path == nullptr ? nullptr : dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

template <typename Function>
Function* real(void* library, const char* symbol) {
  return library == nullptr ? nullptr : reinterpret_cast<Function*>(dlsym(library, symbol));
}

}  // namespace

struct TftLibTorchModule {
  TftLibTorchModule* module;  // the library's own
  TftLibTorchRun* run;
  TftLibTorchFree* free;
};

extern "C" {

std::int32_t tft_libtorch_interface(void) { return TFT_LIBTORCH_INTERFACE; }

const char* tft_libtorch_version(void) {
  const auto version = real<TftLibTorchVersion>(real_library(), TFT_LIBTORCH_VERSION_SYMBOL);
  return version == nullptr ? "none" : version();
}

std::int32_t tft_libtorch_load(const char* file, const char* device, std::int32_t threads,
                               const TftLibTorchShape* shape, TftLibTorchModule** module, char* error,
                               std::size_t error_size) {
  void* const library = real_library();
  const auto load = real<TftLibTorchLoad>(library, TFT_LIBTORCH_LOAD_SYMBOL);
  if (load == nullptr) {
    std::snprintf(error, error_size, "TFT_HELD_LIBTORCH names no library that runs LibTorch");
    return TFT_LIBTORCH_DEVICE;
  }
  TftLibTorchModule* loaded = nullptr;
  const std::int32_t status = load(file, device, threads, shape, &loaded, error, error_size);
  if (status == TFT_LIBTORCH_OK) {
    *module = new TftLibTorchModule{loaded, real<TftLibTorchRun>(library, TFT_LIBTORCH_RUN_SYMBOL),
                                    real<TftLibTorchFree>(library, TFT_LIBTORCH_FREE_SYMBOL)};
  }
  return status;
}

std::int32_t tft_libtorch_run(TftLibTorchModule* module, const void* const* inputs, std::int64_t batch,
                              float* const* outputs, char* error, std::size_t error_size) {
  wait_while_held();
  return module->run(module->module, inputs, batch, outputs, error, error_size);
}

void tft_libtorch_free(TftLibTorchModule* module) {
  module->free(module->module);
  delete module;
}
}

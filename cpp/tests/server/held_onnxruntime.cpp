// ONNX Runtime whose runs a test can hold (held.h). TFT_HELD_ONNXRUNTIME is the library itself.
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "onnxruntime/api.h"
#include "tests/held.h"

namespace {

using tft::onnxruntime::ApiBase;
using tft::onnxruntime::Slot;

constexpr std::size_t kSlots = 256;  // more than are in use

using Run = tft::onnxruntime::Status* (*)(tft::onnxruntime::OrtSession*, const tft::onnxruntime::RunOptions*,
                                          const char* const*, const tft::onnxruntime::Value* const*,
                                          std::size_t, const char* const*, std::size_t,
                                          tft::onnxruntime::Value**);
Run real_run = nullptr;
const ApiBase* real_base = nullptr;

tft::onnxruntime::Status* held_run(tft::onnxruntime::OrtSession* session,
                                   const tft::onnxruntime::RunOptions* options,
                                   const char* const* input_names,
                                   const tft::onnxruntime::Value* const* inputs, std::size_t input_count,
                                   const char* const* output_names, std::size_t output_count,
                                   tft::onnxruntime::Value** outputs) {
  wait_while_held();
  return real_run(session, options, input_names, inputs, input_count, output_names, output_count, outputs);
}

const void* const* get_api(std::uint32_t version) {
  static std::vector<const void*> table;
  const void* const* const real = real_base->get_api(version);
  if (real == nullptr || !table.empty()) return real == nullptr ? nullptr : table.data();
  table.assign(real, real + kSlots);
  const auto run = static_cast<std::size_t>(Slot::Run);
  real_run = reinterpret_cast<Run>(const_cast<void*>(table[run]));
  table[run] = reinterpret_cast<const void*>(&held_run);
  return table.data();
}

const char* get_version() { return real_base->get_version(); }

const ApiBase kBase = {&get_api, &get_version};

}  // namespace

extern "C" __attribute__((visibility("default"))) const ApiBase* OrtGetApiBase() {
  const char* const path = std::getenv("TFT_HELD_ONNXRUNTIME");
  void* const handle = path == nullptr ? nullptr : dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return nullptr;
  const auto get_base = reinterpret_cast<const ApiBase* (*)()>(dlsym(handle, "OrtGetApiBase"));
  real_base = get_base == nullptr ? nullptr : get_base();
  return real_base == nullptr ? nullptr : &kBase;
}

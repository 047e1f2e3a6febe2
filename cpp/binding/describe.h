// The core's reports as plain JavaScript objects; src/native/addon.ts declares their shapes.
#pragma once

#include "napi_setup.h"
#include "tft/builder.h"
#include "tft/engine.h"
#include "tft/gpu_status.h"
#include "tft/inspect.h"
#include "tft/libtorch.h"
#include "tft/loader.h"
#include "tft/measure.h"

namespace tft::binding {

Napi::Object describe(Napi::Env env, const LibraryReport& report);
Napi::Object describe(Napi::Env env, const PlanReport& report);
Napi::Object describe(Napi::Env env, const EngineReport& report);
Napi::Object describe(Napi::Env env, const Measured& measured);
Napi::Object describe(Napi::Env env, const BuildProgress& progress);
Napi::Object describe(Napi::Env env, const EngineInfo& info);
Napi::Object describe(Napi::Env env, const Counters& counters);
Napi::Value describe(Napi::Env env, const std::vector<GpuStatus>& gpus);
Napi::Object describe(Napi::Env env, const LibTorchReport& report);
Napi::Value describe_tensors(Napi::Env env, const std::vector<PlanTensor>& tensors);
/// Moves the bytes into a JavaScript array without a copy; they are freed with the array.
Napi::Value bytes_to_js(Napi::Env env, std::vector<std::byte> bytes);
Napi::Value describe_network(Napi::Env env, const std::vector<NetworkLayer>& layers);

}  // namespace tft::binding

// gpuStatus(library): what each GPU is doing, as a promise.
#pragma once

#include <napi.h>

namespace tft::binding {

Napi::Value gpu_status_async(const Napi::CallbackInfo& info);

}  // namespace tft::binding

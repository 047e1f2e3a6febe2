// The core's reports as plain JavaScript objects; src/native/addon.ts declares their shapes.
#pragma once

#include <napi.h>

#include "tft/engine.h"
#include "tft/loader.h"

namespace tft::binding {

Napi::Object describe(Napi::Env env, const LibraryReport& report);
Napi::Object describe(Napi::Env env, const PlanReport& report);
Napi::Object describe(Napi::Env env, const EngineInfo& info);
Napi::Object describe(Napi::Env env, const Counters& counters);

}  // namespace tft::binding

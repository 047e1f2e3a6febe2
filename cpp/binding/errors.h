// Converts the core's errors to JavaScript errors. Nothing else does.
#pragma once

#include <string>
#include <string_view>

#include "napi_setup.h"
#include "tft/bad_value.h"
#include "tft/error.h"

namespace tft::binding {

/// An Error with the core's `code` ("ERR_TFT_…"). src/native/errors.ts turns it into a TFTError. That of a
/// full queue has `waiting`, `refused` and `limit`.
Napi::Error to_js(Napi::Env env, const Error& error);

/// An error of the binding itself.
Napi::Error to_js(Napi::Env env, std::string_view code, const std::string& message);

/// A value that the model cannot take: code ERR_TFT_INPUT_VALUE; the properties `part`, `input`, `index` and
/// `found` locate it.
Napi::Error to_js(Napi::Env env, const BadValue& bad);

}  // namespace tft::binding

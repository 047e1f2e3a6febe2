// The core's errors as JavaScript errors: the only place where one becomes the other.
#pragma once

#include <string>
#include <string_view>

#include "napi_setup.h"
#include "tft/bad_value.h"
#include "tft/error.h"

namespace tft::binding {

/// An Error whose `code` is the core's ("ERR_TFT_…"). src/native/errors.ts makes a TFTError of it.
Napi::Error to_js(Napi::Env env, const Error& error);

/// The same for errors that only the binding knows.
Napi::Error to_js(Napi::Env env, std::string_view code, const std::string& message);

/// A value that the model cannot take: code ERR_TFT_INPUT_VALUE, and where it stands in the properties
/// `part`, `input`, `index` and `found`.
Napi::Error to_js(Napi::Env env, const BadValue& bad);

}  // namespace tft::binding

#include "errors.h"

namespace tft::binding {

Napi::Error to_js(Napi::Env env, std::string_view code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, std::string(code)));
  return error;
}

Napi::Error to_js(Napi::Env env, const Error& error) {
  if (error.bad_value) return to_js(env, *error.bad_value);
  Napi::Error converted = to_js(env, code_name(error.code), error.message);
  if (error.full_queue) {
    const auto [waiting, refused, limit] = *error.full_queue;
    converted.Set("waiting", Napi::Number::New(env, static_cast<double>(waiting)));
    converted.Set("refused", Napi::Number::New(env, static_cast<double>(refused)));
    converted.Set("limit", Napi::Number::New(env, static_cast<double>(limit)));
  }
  return converted;
}

Napi::Error to_js(Napi::Env env, const BadValue& bad) {
  Napi::Error error = to_js(env, "ERR_TFT_INPUT_VALUE", "a value that the model cannot take");
  error.Set("part", Napi::Number::New(env, bad.part));
  error.Set("input", Napi::Number::New(env, bad.input));
  error.Set("index", Napi::Number::New(env, static_cast<double>(bad.index)));
  error.Set("found", Napi::Number::New(env, bad.value));
  return error;
}

}  // namespace tft::binding

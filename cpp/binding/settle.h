// How a Result of the core's settles a promise: the only place where one does.
#pragma once

#include <type_traits>

#include "describe.h"
#include "errors.h"
#include "napi_setup.h"
#include "tft/result.h"

namespace tft::binding {

/// Resolves with `to_js(env, value)`, or `to_js(env)` where there is no value, or rejects with the error.
template <class T, class ToJs>
void settle_promise(Napi::Env env, const Napi::Promise::Deferred& promise, Result<T>& result,
                    ToJs&& to_js_value) {
  if (!result.ok()) {
    promise.Reject(to_js(env, result.error()).Value());
  } else if constexpr (std::is_void_v<T>) {
    promise.Resolve(to_js_value(env));
  } else {
    promise.Resolve(to_js_value(env, *result));
  }
}

/// For results that `describe` knows.
inline constexpr auto described = [](Napi::Env env, const auto& value) -> Napi::Value {
  return describe(env, value);
};

}  // namespace tft::binding

// Settles a promise with a Result of the core. Nothing else does.
#pragma once

#include <type_traits>

#include "describe.h"
#include "errors.h"
#include "napi_setup.h"
#include "tft/result.h"

namespace tft::binding {

/// Resolves with `to_js_value(env, value)`, or `to_js_value(env)` if T is void; rejects with the error.
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

/// The conversion of results for which there is a `describe`.
inline constexpr auto described = [](Napi::Env env, const auto& value) -> Napi::Value {
  return describe(env, value);
};

}  // namespace tft::binding

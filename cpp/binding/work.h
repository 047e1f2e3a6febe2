// Work that blocks for seconds (opening libraries, loading, warming up, closing) runs on a thread of libuv's
// pool and settles a promise.
#pragma once

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "napi_setup.h"
#include "settle.h"

namespace tft::binding {

class Work {
 public:
  virtual ~Work() = default;
  Work() = default;
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  /// Queues the work. Node waits for it before the environment ends, so `execute` may use the completion
  /// queue.
  static Napi::Value start(Napi::Env env, std::unique_ptr<Work> work);

 protected:
  /// On a pool thread: no JavaScript values here.
  virtual void execute() = 0;
  /// On JavaScript's thread. Not called if the environment is ending.
  virtual void settle(Napi::Env env, const Napi::Promise::Deferred& promise) = 0;

 private:
  static void run(napi_env, void* self);
  static void complete(napi_env env, napi_status, void* self);
  napi_async_work work_ = nullptr;
  std::optional<Napi::Promise::Deferred> promise_;
};

static_assert(!std::is_copy_constructible_v<Work>);

/// Calls `execute` on a pool thread and settles the promise with its Result, converted by `to_js(env,
/// value)`. Both callables are destroyed on JavaScript's thread, so they may hold references.
template <class Execute, class ToJs>
class ResultWork final : public Work {
 public:
  ResultWork(Execute execute, ToJs to_js) : execute_(std::move(execute)), to_js_(std::move(to_js)) {}

 protected:
  void execute() override { result_.emplace(execute_()); }
  void settle(Napi::Env env, const Napi::Promise::Deferred& promise) override {
    settle_promise(env, promise, *result_, to_js_);
  }

 private:
  Execute execute_;
  ToJs to_js_;
  std::optional<std::invoke_result_t<Execute&>> result_;
};

template <class Execute, class ToJs>
Napi::Value start_work(Napi::Env env, Execute execute, ToJs to_js) {
  return Work::start(env, std::make_unique<ResultWork<Execute, ToJs>>(std::move(execute), std::move(to_js)));
}

}  // namespace tft::binding

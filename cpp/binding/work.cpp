#include "work.h"

#include "environment.h"

namespace tft::binding {

Napi::Value Work::start(Napi::Env env, std::unique_ptr<Work> work) {
  work->promise_.emplace(env);
  const Napi::Value promise = work->promise_->Promise();
  const napi_value name = Napi::String::New(env, "tft-tensorrt");
  napi_create_async_work(env, nullptr, name, run, complete, work.get(), &work->work_);
  if (napi_queue_async_work(env, work->work_) == napi_ok) work.release();  // until `complete`
  return promise;
}

void Work::run(napi_env, void* self) { static_cast<Work*>(self)->execute(); }

void Work::complete(napi_env env, napi_status, void* self) {
  Napi::HandleScope scope(env);
  const std::unique_ptr<Work> work(static_cast<Work*>(self));
  napi_delete_async_work(env, work->work_);
  if (can_run(env)) work->settle(env, *work->promise_);
}

}  // namespace tft::binding

#include "work.h"

#include <cstddef>
#include <utility>
#include <vector>

#include "describe.h"
#include "environment.h"
#include "errors.h"
#include "plan_file.h"
#include "tft/tensorrt.h"

namespace tft::binding {
namespace {

template <class Report>
void settle_with(Napi::Env env, const Napi::Promise::Deferred& promise, const Result<Report>& result) {
  if (result.ok()) {
    promise.Resolve(describe(env, *result));
  } else {
    promise.Reject(to_js(env, result.error()).Value());
  }
}

}  // namespace

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

void LibrariesWork::execute() { report_ = load_libraries(options_); }

void LibrariesWork::settle(Napi::Env env, const Napi::Promise::Deferred& promise) {
  promise.Resolve(describe(env, report_));
}

void InspectWork::execute() {
  Result<std::vector<std::byte>> plan = read_plan_file(arguments_.plan);
  result_.emplace(plan.ok() ? inspect_plan(*plan, arguments_.options) : Result<PlanReport>(plan.error()));
}

void InspectWork::settle(Napi::Env env, const Napi::Promise::Deferred& promise) {
  settle_with(env, promise, *result_);
}

void InspectEngineWork::execute() {
  Result<std::vector<std::byte>> plan = read_plan_file(arguments_.plan);
  result_.emplace(plan.ok() ? inspect_engine(*plan, arguments_.options) : Result<EngineReport>(plan.error()));
}

void InspectEngineWork::settle(Napi::Env env, const Napi::Promise::Deferred& promise) {
  settle_with(env, promise, *result_);
}

LoadWork::LoadWork(Environment& environment, LoadArguments arguments, const Napi::Function& log)
    : environment_(environment), arguments_(std::move(arguments)), log_(Napi::Persistent(log)) {
  arguments_.options.log = [&outbox = environment.outbox(), target = target_](LogLevel level,
                                                                              const std::string& message) {
    outbox.post(std::make_unique<LogLine>(target, level, message).release());
  };
}

void LoadWork::execute() {
  Result<std::vector<std::byte>> plan = read_plan_file(arguments_.plan);
  if (plan.ok()) {
    result_.emplace(load_tensorrt(*plan, arguments_.shape, arguments_.options));
  } else {
    result_.emplace(plan.error());
  }
}

void LoadWork::settle(Napi::Env env, const Napi::Promise::Deferred& promise) {
  environment_.deliver_all();
  for (const auto& [level, message] : target_->early) {
    log_.Call({Napi::String::New(env, level_name(level)), Napi::String::New(env, message)});
  }
  target_->early.clear();
  target_->loading = false;
  if (!result_->ok()) {
    promise.Reject(to_js(env, result_->error()).Value());
    return;
  }
  Loaded loaded{std::move(**result_), std::move(arguments_.shape), target_};
  promise.Resolve(environment_.engine_class.New({Napi::External<Loaded>::New(env, &loaded)}));
}

void WarmupWork::execute() { result_ = engine_.core().warmup(); }

void WarmupWork::settle(Napi::Env env, const Napi::Promise::Deferred& promise) {
  if (result_.ok()) {
    promise.Resolve(env.Undefined());
  } else {
    promise.Reject(to_js(env, result_.error()).Value());
  }
}

void CloseWork::execute() { engine_.core().close(); }

void CloseWork::settle(Napi::Env env, const Napi::Promise::Deferred& promise) {
  // Results that came while closing are still in the outbox; who awaits both sees them first.
  Environment::of(env).deliver_all();
  engine_.forget_memory();
  promise.Resolve(env.Undefined());
}

}  // namespace tft::binding

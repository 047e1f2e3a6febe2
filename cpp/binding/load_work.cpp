#include "load_work.h"

#include <utility>

#include "environment.h"
#include "plan_file.h"
#include "tft/tensorrt.h"

namespace tft::binding {

LoadWork::LoadWork(Environment& environment, LoadArguments arguments, const Napi::Function& log)
    : environment_(environment), arguments_(std::move(arguments)), log_(Napi::Persistent(log)) {
  arguments_.options.log = [&completions = environment.completions(), target = target_](
                               LogLevel level, const std::string& message) {
    completions.post(std::make_unique<LogLine>(target, level, message).release());
  };
}

void LoadWork::execute() {
  result_.emplace(with_plan_file(arguments_.plan, [this](std::span<const std::byte> plan) {
    return load_tensorrt(plan, arguments_.shape, arguments_.options);
  }));
}

void LoadWork::settle(Napi::Env env, const Napi::Promise::Deferred& promise) {
  environment_.deliver_all();
  for (const auto& [level, message] : target_->early) {
    log_.Call({Napi::String::New(env, level_name(level)), Napi::String::New(env, message)});
  }
  target_->early.clear();
  target_->loading = false;
  settle_promise(env, promise, *result_, [this](Napi::Env, std::unique_ptr<TFTEngine>& engine) {
    Loaded loaded{std::move(engine), std::move(arguments_.shape), target_};
    return environment_.engine_class.New(
        {Napi::External<Loaded>::New(environment_.engine_class.Env(), &loaded)});
  });
}

}  // namespace tft::binding

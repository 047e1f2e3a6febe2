#include "load_work.h"

#include <utility>

#include "environment.h"

namespace tft::binding {

LoadWork::LoadWork(Environment& environment, ModelShape shape, EngineOptions options, Load load,
                   const Napi::Function& log)
    : environment_(environment),
      shape_(std::move(shape)),
      options_(std::move(options)),
      load_(std::move(load)),
      log_(Napi::Persistent(log)) {
  options_.log = [&completions = environment.completions(), target = target_](LogLevel level,
                                                                              const std::string& message) {
    completions.post(std::make_unique<LogLine>(target, level, message).release());
  };
}

void LoadWork::execute() { result_.emplace(load_(shape_, options_)); }

void LoadWork::settle(Napi::Env env, const Napi::Promise::Deferred& promise) {
  environment_.deliver_all();
  for (const auto& [level, message] : target_->early) {
    log_.Call({Napi::String::New(env, level_name(level)), Napi::String::New(env, message)});
  }
  target_->early.clear();
  target_->loading = false;
  settle_promise(env, promise, *result_, [this](Napi::Env, std::unique_ptr<TFTEngine>& engine) {
    Loaded loaded{std::move(engine), std::move(shape_), target_};
    return environment_.engine_class.New(
        {Napi::External<Loaded>::New(environment_.engine_class.Env(), &loaded)});
  });
}

}  // namespace tft::binding

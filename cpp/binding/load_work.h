// Loads an engine and forwards its log to JavaScript.
#pragma once

#include <memory>
#include <optional>

#include "arguments.h"
#include "native_engine.h"
#include "work.h"

namespace tft::binding {

class LoadWork final : public Work {
 public:
  /// `log` receives the lines that are logged until the promise settles.
  LoadWork(Environment& environment, LoadArguments arguments, const Napi::Function& log);

 protected:
  void execute() override;
  void settle(Napi::Env env, const Napi::Promise::Deferred& promise) override;

 private:
  Environment& environment_;
  LoadArguments arguments_;
  Napi::FunctionReference log_;
  std::shared_ptr<LogTarget> target_ = std::make_shared<LogTarget>();
  std::optional<Result<std::unique_ptr<TFTEngine>>> result_;
};

}  // namespace tft::binding

// Loads an engine and forwards its log to JavaScript.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "native_engine.h"
#include "tft/engine.h"
#include "tft/model_shape.h"
#include "tft/result.h"
#include "work.h"

namespace tft::binding {

class LoadWork final : public Work {
 public:
  using Load = std::function<Result<std::unique_ptr<TFTEngine>>(const ModelShape& shape,
                                                                const EngineOptions& options)>;

  /// Calls `load` on another thread. `log` receives the lines that are logged until the promise settles.
  LoadWork(Environment& environment, ModelShape shape, EngineOptions options, Load load,
           const Napi::Function& log);

 protected:
  void execute() override;
  void settle(Napi::Env env, const Napi::Promise::Deferred& promise) override;

 private:
  Environment& environment_;
  ModelShape shape_;
  EngineOptions options_;
  const Load load_;
  Napi::FunctionReference log_;
  std::shared_ptr<LogTarget> target_ = std::make_shared<LogTarget>();
  std::optional<Result<std::unique_ptr<TFTEngine>>> result_;
};

}  // namespace tft::binding

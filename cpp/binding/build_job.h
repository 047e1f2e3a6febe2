// Builds a plan and reports its progress to JavaScript.
#pragma once

#include <optional>

#include "arguments.h"
#include "job.h"
#include "tft/builder.h"

namespace tft::binding {

class BuildJob : public Job {
 public:
  BuildJob(Environment& environment, BuildArguments arguments, const Napi::Function& log,
           const Napi::Function& progress);

 protected:
  void execute() override;
  void settle(Napi::Env env, const Napi::Promise::Deferred& promise) override;

 private:
  class Step;

  BuildArguments arguments_;
  Napi::FunctionReference progress_;
  std::optional<Result<BuiltPlan>> result_;
};

}  // namespace tft::binding

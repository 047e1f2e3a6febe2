// Measures a plan.
#pragma once

#include <optional>

#include "arguments.h"
#include "job.h"
#include "tft/measure.h"

namespace tft::binding {

class MeasureJob : public Job {
 public:
  MeasureJob(Environment& environment, MeasureArguments arguments, const Napi::Function& log);

 protected:
  void execute() override;
  void settle(Napi::Env env, const Napi::Promise::Deferred& promise) override;

 private:
  MeasureArguments arguments_;
  std::optional<Result<Measured>> result_;
};

}  // namespace tft::binding

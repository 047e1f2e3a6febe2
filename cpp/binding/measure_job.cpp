#include "measure_job.h"

#include <utility>

#include "describe.h"
#include "errors.h"
#include "plan_file.h"

namespace tft::binding {

MeasureJob::MeasureJob(Environment& environment, MeasureArguments arguments, const Napi::Function& log)
    : Job(environment, log), arguments_(std::move(arguments)) {
  arguments_.options.stop = stop_token();
  arguments_.options.log = logger();
}

void MeasureJob::execute() {
  const Result<std::vector<std::byte>> plan = read_plan_file(arguments_.plan);
  result_.emplace(plan.ok() ? measure(*plan, arguments_.options) : Result<Measured>(plan.error()));
}

void MeasureJob::settle(Napi::Env env, const Napi::Promise::Deferred& promise) {
  if (!result_->ok()) return promise.Reject(to_js(env, result_->error()).Value());
  promise.Resolve(describe(env, **result_));
}

}  // namespace tft::binding

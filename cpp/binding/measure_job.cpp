#include "measure_job.h"

#include <utility>

#include "describe.h"
#include "settle.h"
#include "tft/plan_file.h"

namespace tft::binding {

MeasureJob::MeasureJob(Environment& environment, MeasureArguments arguments, const Napi::Function& log)
    : Job(environment, log), arguments_(std::move(arguments)) {
  arguments_.options.stop = stop_token();
  arguments_.options.log = logger();
}

void MeasureJob::execute() {
  result_.emplace(with_plan_file(arguments_.plan, [this](std::span<const std::byte> plan) {
    return measure(plan, arguments_.options);
  }));
}

void MeasureJob::settle(Napi::Env env, const Napi::Promise::Deferred& promise) {
  settle_promise(env, promise, *result_, described);
}

}  // namespace tft::binding

#include "build_job.h"

#include <memory>
#include <utility>

#include "describe.h"
#include "environment.h"
#include "settle.h"

namespace tft::binding {
namespace {

Napi::Value to_js(Napi::Env env, const std::vector<std::string>& texts) {
  auto array = Napi::Array::New(env, texts.size());
  for (std::uint32_t i = 0; i < texts.size(); ++i) array.Set(i, texts[i]);
  return array;
}

}  // namespace

/// A step of the progress on its way to JavaScript.
class BuildJob::Step : public Message {
 public:
  Step(BuildJob& job, BuildProgress progress) : job_(job), progress_(std::move(progress)) {}
  void deliver() override { call(job_.progress_, {describe(job_.progress_.Env(), progress_)}); }

 private:
  BuildJob& job_;
  BuildProgress progress_;
};

BuildJob::BuildJob(Environment& environment, BuildArguments arguments, const Napi::Function& log,
                   const Napi::Function& progress)
    : Job(environment, log), arguments_(std::move(arguments)), progress_(Napi::Persistent(progress)) {
  BuildOptions& options = arguments_.options;
  options.stop = stop_token();
  options.log = logger();
  options.progress = [this](const BuildProgress& step) {
    environment_.completions().post(std::make_unique<Step>(*this, step));
  };
}

void BuildJob::execute() {
  result_.emplace(build_plan(arguments_.onnx, arguments_.shape, arguments_.options));
}

void BuildJob::settle(Napi::Env env, const Napi::Promise::Deferred& promise) {
  settle_promise(env, promise, *result_, [](Napi::Env in, BuiltPlan& built) {
    auto object = Napi::Object::New(in);
    object.Set("plan", bytes_to_js(in, std::move(built.plan)));
    object.Set("timingCache", bytes_to_js(in, std::move(built.timing_cache)));
    object.Set("fused", to_js(in, built.fused));
    object.Set("network", describe_network(in, built.network));
    object.Set("tensors", describe_tensors(in, built.tensors));
    return object;
  });
}

}  // namespace tft::binding

// Deserializes a plan on a device, with an error that says why it failed.
#include "tensorrt/device_engine.h"

#include <string>

#include "tensorrt/log_scope.h"

namespace tft {
namespace {

std::size_t free_memory(const cuda::Driver& driver) {
  std::size_t free = 0;
  std::size_t total = 0;
  return driver.memory_info(&free, &total) == cuda::kSuccess ? free : 0;
}

}  // namespace

Result<std::unique_ptr<DeviceEngine>> DeviceEngine::load(const Libraries& libraries, int ordinal,
                                                         std::span<const std::byte> plan,
                                                         const PlanOptions& options, const Log& log) {
  // Checked here because TensorRT's messages for these are obscure.
  if (plan.empty()) return Error{ErrorCode::PLAN_INVALID, "the plan is empty"};
  if (auto error = plugins_refused(libraries.report, options.plugins)) return *error;
  open_parts(libraries.report, Parts::TO_RUN);

  auto retained = cuda::PrimaryContext::retain(libraries.driver, ordinal);
  if (!retained) return retained.error();
  std::unique_ptr<DeviceEngine> made(new DeviceEngine(std::move(retained).value()));
  const cuda::PrimaryContext& context = *made->context_;
  const cuda::CurrentContext current(context);
  if (current.status() != cuda::kSuccess)
    return failure(context.driver(), current.status(), "using GPU " + std::to_string(ordinal));

  const tensorrt::LogScope scope(log);
  const TensorRTLibrary& library = *libraries.tensorrt;
  made->runtime_ = library.create_runtime(library.create, library.version);
  if (made->runtime_ == nullptr)
    return Error{ErrorCode::RUN, "TensorRT cannot create a runtime on GPU " + std::to_string(ordinal) +
                                     "; it says: " + scope.errors()};
  if (options.allow_host_code) made->runtime_->allow_host_code();
  for (const std::string& plugins : options.plugins)
    if (!made->runtime_->load_plugins(plugins))
      return Error{ErrorCode::PLUGIN,
                   "TensorRT cannot load the plugins of " + plugins + "; it says: " + scope.errors()};

  const std::size_t before = free_memory(context.driver());
  made->engine_ = made->runtime_->deserialize(plan);
  if (made->engine_ == nullptr) {
    if (scope.says_out_of_memory()) {
      return Error{ErrorCode::OUT_OF_MEMORY, "loading the plan: at least " +
                                                 cuda::memory_shortage(context, plan.size()) +
                                                 ". TensorRT says: " + scope.errors()};
    }
    if (scope.says_plugin_missing())
      return Error{ErrorCode::PLUGIN,
                   "the plan needs a plugin that is not registered; TensorRT says: " + scope.errors() +
                       ". Name the library that has it in the option plugins."};
    return Error{ErrorCode::PLAN_INVALID,
                 "TensorRT " + libraries.report.tensorrt.text() + " refuses the plan (" +
                     std::to_string(plan.size()) + " bytes); it says: " + scope.errors() +
                     ". A plan runs only on the version and the kind of GPU that it was built "
                     "for; build it again on this machine."};
  }
  const std::size_t after = free_memory(context.driver());
  made->weights_bytes_ = before > after ? before - after : 0;
  made->begin_runtime_cache(options.runtime_cache, log);
  return made;
}

/// A cache that cannot be used costs the compiling of the kernels, and nothing else.
void DeviceEngine::begin_runtime_cache(std::span<const std::byte> content, const Log& log) {
  std::string why;
  const Log quietly = [&why](LogLevel level, const std::string& message) {
    if (level == LogLevel::ERROR || level == LogLevel::WARN) why = message;
  };
  const tensorrt::LogScope scope(quietly);
  if (engine_->use_runtime_cache(content) || !log) return;
  log(LogLevel::WARN, "the run-time cache is ignored, because TensorRT refuses it: " +
                          (why.empty() ? "it does not say why" : why));
}

std::vector<std::byte> DeviceEngine::runtime_cache(const Log& log) const {
  const cuda::CurrentContext current(*context_);
  const tensorrt::LogScope scope(log);
  return engine_->runtime_cache();
}

DeviceEngine::~DeviceEngine() {
  // TensorRT frees device memory in the current context.
  const cuda::CurrentContext current(*context_);
  engine_.reset();
  runtime_.reset();
}

}  // namespace tft

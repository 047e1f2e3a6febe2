// tft_tensorrt.node: the functions that it exports. src/native/addon.ts declares them for TypeScript.
//
// Nothing here is static: each environment that loads the addon has its own state (environment.h).
#include <memory>
#include <utility>

#include "arguments.h"
#include "build_job.h"
#include "describe.h"
#include "environment.h"
#include "load_work.h"
#include "measure_job.h"
#include "napi_setup.h"
#include "native_engine.h"
#include "tft/builder.h"
#include "tft/gpu_status.h"
#include "tft/inspect.h"
#include "tft/libtorch.h"
#include "tft/loader.h"
#if defined(TFT_WITH_ONNXRUNTIME)
#include "tft/onnxruntime.h"
#endif
#include "tft/plan_file.h"
#include "tft/tensorrt.h"
#include "work.h"

namespace tft::binding {
namespace {

/// loadLibraries(options): a promise of a report.
Napi::Value load_libraries_async(const Napi::CallbackInfo& info) {
  return start_work(
      info.Env(),
      [options = read_loader_options(info[0].As<Napi::Object>())] {
        return Result<LibraryReport>(load_libraries(options));
      },
      described);
}

/// inspectPlan(options): a promise of the plan's tensors.
Napi::Value inspect_plan_async(const Napi::CallbackInfo& info) {
  return start_work(
      info.Env(),
      [arguments = read_load_arguments(info[0].As<Napi::Object>())] {
        return with_plan_file(arguments.plan, [&](std::span<const std::byte> plan) {
          return inspect_plan(plan, arguments.options);
        });
      },
      described);
}

/// inspectEngine(options): a promise of everything that TensorRT reports about the plan.
Napi::Value inspect_engine_async(const Napi::CallbackInfo& info) {
  return start_work(
      info.Env(),
      [arguments = read_load_arguments(info[0].As<Napi::Object>())] {
        return with_plan_file(arguments.plan, [&](std::span<const std::byte> plan) {
          return inspect_engine(plan, arguments.options);
        });
      },
      described);
}

/// gpuStatus(library): a promise of what each GPU is doing.
Napi::Value gpu_status_async(const Napi::CallbackInfo& info) {
  return start_work(
      info.Env(),
      [library = info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : std::string()] {
        return Result<std::vector<GpuStatus>>(gpu_status(library));
      },
      described);
}

/// build(options, log, progress): { result, cancel }.
Napi::Value build(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  return Job::start(environment, info.Env(),
                    std::make_unique<BuildJob>(environment, read_build_arguments(info[0].As<Napi::Object>()),
                                               info[1].As<Napi::Function>(), info[2].As<Napi::Function>()));
}

/// kernels(): { version, hash } of the kernels in this build; undefined if the build has none.
Napi::Value kernels_of_build(const Napi::CallbackInfo& info) {
  const auto kernels = tft::kernels();
  if (!kernels) return info.Env().Undefined();
  auto object = Napi::Object::New(info.Env());
  object.Set("version", kernels->version);
  object.Set("hash", kernels->hash);
  return object;
}

/// measure(options, log): { result, cancel }.
Napi::Value measure_plan(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  return Job::start(
      environment, info.Env(),
      std::make_unique<MeasureJob>(environment, read_measure_arguments(info[0].As<Napi::Object>()),
                                   info[1].As<Napi::Function>()));
}

/// load(options, log): a promise of a NativeEngine.
Napi::Value load(const Napi::CallbackInfo& info) {
  LoadArguments arguments = read_load_arguments(info[0].As<Napi::Object>());
  const auto run = [path = arguments.plan](const ModelShape& shape, const EngineOptions& options) {
    return with_plan_file(
        path, [&](std::span<const std::byte> plan) { return load_tensorrt(plan, shape, options); });
  };
  return Work::start(info.Env(), std::make_unique<LoadWork>(
                                     Environment::of(info.Env()), std::move(arguments.shape),
                                     std::move(arguments.options), run, info[1].As<Napi::Function>()));
}

/// loadTorchScript(options, log): the same for a TorchScript module.
Napi::Value load_torchscript(const Napi::CallbackInfo& info) {
  TorchScriptArguments arguments = read_torchscript_arguments(info[0].As<Napi::Object>());
  const auto run = [module = arguments.module, libtorch = arguments.libtorch](const ModelShape& shape,
                                                                              const EngineOptions& options) {
    return load_libtorch(module, shape, libtorch, options);
  };
  return Work::start(info.Env(), std::make_unique<LoadWork>(
                                     Environment::of(info.Env()), std::move(arguments.shape),
                                     std::move(arguments.options), run, info[1].As<Napi::Function>()));
}

#if defined(TFT_WITH_ONNXRUNTIME)
/// loadOnnxRuntime(options, log): the same for an ONNX file, which ONNX Runtime runs on the CPU.
Napi::Value load_onnxruntime_async(const Napi::CallbackInfo& info) {
  OnnxRuntimeArguments arguments = read_onnxruntime_arguments(info[0].As<Napi::Object>());
  const auto run = [onnx = arguments.onnx, library = arguments.library](
                       const ModelShape& shape,
                       const EngineOptions& options) -> Result<std::unique_ptr<TFTEngine>> {
    if (const auto opened = open_onnxruntime(library); !opened) return opened.error();
    return load_onnxruntime(onnx, shape, options);
  };
  return Work::start(info.Env(), std::make_unique<LoadWork>(
                                     Environment::of(info.Env()), std::move(arguments.shape),
                                     std::move(arguments.options), run, info[1].As<Napi::Function>()));
}
#endif

/// openLibTorch(library): a promise of { path, version }.
Napi::Value open_libtorch_async(const Napi::CallbackInfo& info) {
  return start_work(
      info.Env(),
      [library = info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : std::string()] {
        return open_libtorch(library);
      },
      described);
}

/// shutDown(): stops every job and closes every engine of this environment; blocks until that is done.
void shut_down(const Napi::CallbackInfo& info) { Environment::of(info.Env()).shut_down(); }

/// useImmediate(setImmediate)
void use_immediate(const Napi::CallbackInfo& info) {
  Environment::of(info.Env()).use_immediate(info[0].As<Napi::Function>());
}

Napi::Object start(Napi::Env env, Napi::Object exports) {
  Environment& environment = Environment::create(env);
  environment.engine_class = Napi::Persistent(NativeEngine::define(env));
  exports.Set("loadLibraries", Napi::Function::New<load_libraries_async>(env));
  exports.Set("inspectPlan", Napi::Function::New<inspect_plan_async>(env));
  exports.Set("inspectEngine", Napi::Function::New<inspect_engine_async>(env));
  exports.Set("build", Napi::Function::New<build>(env));
  exports.Set("kernels", Napi::Function::New<kernels_of_build>(env));
  exports.Set("measure", Napi::Function::New<measure_plan>(env));
  exports.Set("load", Napi::Function::New<load>(env));
  exports.Set("loadTorchScript", Napi::Function::New<load_torchscript>(env));
#if defined(TFT_WITH_ONNXRUNTIME)
  exports.Set("loadOnnxRuntime", Napi::Function::New<load_onnxruntime_async>(env));
#endif
  exports.Set("openLibTorch", Napi::Function::New<open_libtorch_async>(env));
  exports.Set("gpuStatus", Napi::Function::New<gpu_status_async>(env));
  exports.Set("useImmediate", Napi::Function::New<use_immediate>(env));
  exports.Set("shutDown", Napi::Function::New<shut_down>(env));
  return exports;
}

}  // namespace
}  // namespace tft::binding

static Napi::Object init(Napi::Env env, Napi::Object exports) { return tft::binding::start(env, exports); }
NODE_API_MODULE(tft_tensorrt, init)

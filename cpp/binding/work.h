// What blocks for long - opening libraries, loading, warming up, closing - done on a thread of libuv's pool,
// as a promise.
#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <string>

#include "arguments.h"
#include "native_engine.h"
#include "tft/engine.h"
#include "tft/inspect.h"
#include "tft/loader.h"

namespace tft::binding {

class Environment;

class Work {
 public:
  virtual ~Work() = default;
  Work() = default;
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  /// Queues it. Node waits for it before the environment ends, so its `execute` may use the outbox.
  static Napi::Value start(Napi::Env env, std::unique_ptr<Work> work);

 protected:
  /// On a pool thread: no JavaScript values here.
  virtual void execute() = 0;
  /// On JavaScript's thread. Not called when the environment is ending.
  virtual void settle(Napi::Env env, const Napi::Promise::Deferred& promise) = 0;

 private:
  static void run(napi_env, void* self);
  static void complete(napi_env env, napi_status, void* self);
  napi_async_work work_ = nullptr;
  std::optional<Napi::Promise::Deferred> promise_;
};

/// Opens the libraries and reports.
class LibrariesWork : public Work {
 public:
  explicit LibrariesWork(LoaderOptions options) : options_(std::move(options)) {}

 protected:
  void execute() override;
  void settle(Napi::Env env, const Napi::Promise::Deferred& promise) override;

 private:
  LoaderOptions options_;
  LibraryReport report_;
};

/// Reads a plan's tensors.
class InspectWork : public Work {
 public:
  explicit InspectWork(LoadArguments arguments) : arguments_(std::move(arguments)) {}

 protected:
  void execute() override;
  void settle(Napi::Env env, const Napi::Promise::Deferred& promise) override;

 private:
  LoadArguments arguments_;
  std::optional<Result<PlanReport>> result_;
};

/// Reads all that TensorRT tells of a plan.
class InspectEngineWork : public Work {
 public:
  explicit InspectEngineWork(LoadArguments arguments) : arguments_(std::move(arguments)) {}

 protected:
  void execute() override;
  void settle(Napi::Env env, const Napi::Promise::Deferred& promise) override;

 private:
  LoadArguments arguments_;
  std::optional<Result<EngineReport>> result_;
};

/// Loads an engine.
class LoadWork : public Work {
 public:
  /// `log` receives what is said until the promise settles.
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

/// Something with an engine that JavaScript holds meanwhile.
class EngineWork : public Work {
 public:
  explicit EngineWork(NativeEngine& engine) : engine_(engine), hold_(Napi::Persistent(engine.Value())) {}

 protected:
  NativeEngine& engine_;

 private:
  Napi::ObjectReference hold_;
};

class WarmupWork : public EngineWork {
 public:
  using EngineWork::EngineWork;

 protected:
  void execute() override;
  void settle(Napi::Env env, const Napi::Promise::Deferred& promise) override;

 private:
  Result<void> result_;
};

class CloseWork : public EngineWork {
 public:
  using EngineWork::EngineWork;

 protected:
  void execute() override;
  void settle(Napi::Env env, const Napi::Promise::Deferred& promise) override;
};

}  // namespace tft::binding

// What takes minutes - building, measuring - on a thread of its own, with a log, and a way to call it off.
// The threads of libuv's pool are few and others' too.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>

#include "napi_setup.h"
#include "outbox.h"
#include "tft/log.h"

namespace tft::binding {

class Environment;

class Job {
 public:
  virtual ~Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  /// Starts it. What JavaScript gets of it: { result: Promise, cancel() }.
  static Napi::Value start(Environment& environment, Napi::Env env, std::unique_ptr<Job> job);

  /// Any thread; it ends soon after.
  void call_off() { stop_.request_stop(); }
  /// Blocks until its thread has ended.
  void join();

 protected:
  Job(Environment& environment, const Napi::Function& log)
      : environment_(environment), log_(Napi::Persistent(log)) {}

  /// On the job's thread: no JavaScript values here.
  virtual void execute() = 0;
  /// On JavaScript's thread. Not called when the environment is ending.
  virtual void settle(Napi::Env env, const Napi::Promise::Deferred& promise) = 0;

  std::stop_token stop_token() const { return stop_.get_token(); }
  /// For the core: lines go to JavaScript.
  Log logger();
  /// On JavaScript's thread: calls a function of the user's. What it throws is an uncaught exception, as from
  /// any other callback, and keeps nothing here from going on.
  static void tell(const Napi::FunctionReference& function,
                   const std::initializer_list<napi_value>& arguments);

  Environment& environment_;

 private:
  class Line;
  class End;

  Napi::FunctionReference log_;
  std::stop_source stop_;
  std::optional<Napi::Promise::Deferred> promise_;
  std::thread thread_;
};

static_assert(!std::is_copy_constructible_v<Job>);

}  // namespace tft::binding

// A job runs for minutes (a build, a measurement) on its own thread, logs to JavaScript and can be cancelled.
// It does not use libuv's pool, whose few threads the whole process shares.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>

#include "completion_queue.h"
#include "napi_setup.h"
#include "tft/log.h"

namespace tft::binding {

class Environment;

class Job {
 public:
  virtual ~Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  /// Starts the job. Returns { result: Promise, cancel() } for JavaScript.
  static Napi::Value start(Environment& environment, Napi::Env env, std::unique_ptr<Job> job);

  /// Asks the job to stop; it ends soon after. Any thread.
  void call_off() { stop_.request_stop(); }
  /// Blocks until its thread has ended.
  void join();

 protected:
  Job(Environment& environment, const Napi::Function& log)
      : environment_(environment), log_(Napi::Persistent(log)) {}

  /// On the job's thread: no JavaScript values here.
  virtual void execute() = 0;
  /// On JavaScript's thread. Not called if the environment is ending.
  virtual void settle(Napi::Env env, const Napi::Promise::Deferred& promise) = 0;

  std::stop_token stop_token() const { return stop_.get_token(); }
  /// A log for the core whose lines go to JavaScript. Any thread.
  Log logger();
  /// Calls a user's function, on JavaScript's thread. If it throws, the error becomes an uncaught exception,
  /// as for any other callback, and the job goes on.
  static void call(const Napi::FunctionReference& function,
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

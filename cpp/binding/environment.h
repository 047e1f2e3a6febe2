// The addon's state for one environment (the main thread or a worker): its completion queue, jobs and open
// engines, and the order in which they are shut down.
#pragma once

#include <memory>
#include <thread>
#include <type_traits>
#include <unordered_set>
#include <vector>

#include "completion_queue.h"
#include "napi_setup.h"
#include "tft/engine.h"

namespace tft::binding {

class Job;
class NativeEngine;

/// Whether JavaScript can run. It cannot while a worker is being terminated.
bool can_run(napi_env env);

/// Use on JavaScript's thread only, except where a method says otherwise.
class Environment {
 public:
  /// Creates the state of an environment that loads the addon.
  static Environment& create(Napi::Env env);
  static Environment& of(Napi::Env env);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  /// Engine threads post here.
  CompletionQueue& completions() { return *completions_; }
  Napi::FunctionReference engine_class;

  void add(NativeEngine* engine) { engines_.insert(engine); }
  void remove(NativeEngine* engine) { engines_.erase(engine); }

  /// Running jobs. Each is removed when its result is delivered, or when the environment ends.
  void add(std::unique_ptr<Job> job);
  std::unique_ptr<Job> remove(Job* job);

  /// Keeps the process alive while a request or job runs. Each call needs one call of `settled`.
  void submitted();
  void settled();

  /// Delivers everything in the completion queue to JavaScript.
  void deliver_all();

  /// Sets the function that schedules another for the next turn of the event loop: Node's setImmediate.
  void use_immediate(const Napi::Function& set_immediate);
  /// Delivers more at the next turn of the event loop; setImmediate calls it.
  void turn();

  /// Cancels waiting requests and jobs, then closes every engine, blocking until running batches have ended.
  /// Called before the process exits or the environment ends: both must come after this, or libraries would
  /// be torn down under running threads.
  void shut_down();

  /// Frees an engine that JavaScript has collected, on another thread because it can take long.
  void retire(std::unique_ptr<TFTEngine> engine);

 private:
  explicit Environment(Napi::Env env);
  static void wake(napi_env env, napi_value, void* context, void*);
  static void clean_up(void* self);
  void join_retired(bool all);
  /// Delivers at most `most` items and leaves the rest for the next turn of the event loop, so that timers
  /// and sockets get their turn however many requests end.
  void deliver(std::size_t most);
  /// Empties the completion queue without delivering.
  void discard();

  struct Retired {
    std::thread thread;
    std::shared_ptr<std::atomic<bool>> done;
  };

  const napi_env env_;
  napi_threadsafe_function wake_ = nullptr;
  std::unique_ptr<CompletionQueue> completions_;
  std::unordered_set<NativeEngine*> engines_;
  std::vector<std::unique_ptr<Job>> jobs_;
  std::vector<Retired> retired_;
  std::size_t under_way_ = 0;
  QueueItem* collected_ = nullptr;  // taken from the completion queue, not delivered yet
  bool turn_comes_ = false;
  Napi::FunctionReference set_immediate_;
  Napi::FunctionReference turn_;
};

static_assert(!std::is_copy_constructible_v<Environment>);

}  // namespace tft::binding

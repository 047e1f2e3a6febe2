// What the addon keeps for each environment (the main thread, each worker): its outbox, its open engines, and
// the order in which all of it ends.
#pragma once

#include <memory>
#include <thread>
#include <type_traits>
#include <unordered_set>
#include <vector>

#include "napi_setup.h"
#include "outbox.h"
#include "tft/engine.h"

namespace tft::binding {

class Job;
class NativeEngine;

/// Whether JavaScript can run: not while a worker is being terminated.
bool can_run(napi_env env);

/// JavaScript's thread only, unless said otherwise.
class Environment {
 public:
  /// Makes the state of an environment in which the addon is being loaded.
  static Environment& create(Napi::Env env);
  static Environment& of(Napi::Env env);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  /// Engine threads post here.
  Outbox& outbox() { return *outbox_; }
  Napi::FunctionReference engine_class;

  void add(NativeEngine* engine) { engines_.insert(engine); }
  void remove(NativeEngine* engine) { engines_.erase(engine); }

  /// Jobs under way. Each is removed when it has been delivered, unless the environment ends before.
  void add(std::unique_ptr<Job> job);
  std::unique_ptr<Job> remove(Job* job);

  /// A request or job is under way: the process stays alive. Each is followed by one `settled`.
  void submitted();
  void settled();

  /// Hands everything in the outbox to JavaScript.
  void deliver_all();

  /// Tells which function runs another at the next turn of the event loop: Node's setImmediate.
  void use_immediate(const Napi::Function& set_immediate);
  /// A turn of the event loop, after one in which something was delivered.
  void turn();

  /// Calls off what waits, jobs too, and closes every engine, blocking for what runs. The process is about to
  /// exit, or the environment to end; for both it must be over before libraries are torn down.
  void shut_down();

  /// Frees an engine that nobody holds any more, in another thread: that can take a while.
  void retire(std::unique_ptr<TFTEngine> engine);

 private:
  explicit Environment(Napi::Env env);
  static void wake(napi_env env, napi_value, void* context, void*);
  static void clean_up(void* self);
  void join_retired(bool all);
  /// Hands over at most so many parcels, and sees to the rest at the next turn of the event loop: however
  /// many requests end, timers and sockets have their turn in between.
  void deliver(std::size_t most);
  /// Empties the outbox unseen.
  void discard();

  struct Retired {
    std::thread thread;
    std::shared_ptr<std::atomic<bool>> done;
  };

  const napi_env env_;
  napi_threadsafe_function wake_ = nullptr;
  std::unique_ptr<Outbox> outbox_;
  std::unordered_set<NativeEngine*> engines_;
  std::vector<std::unique_ptr<Job>> jobs_;
  std::vector<Retired> retired_;
  std::size_t under_way_ = 0;
  Parcel* collected_ = nullptr;  // from the outbox, not handed over yet
  bool turn_comes_ = false;
  Napi::FunctionReference set_immediate_;
  Napi::FunctionReference turn_;
};

static_assert(!std::is_copy_constructible_v<Environment>);

}  // namespace tft::binding

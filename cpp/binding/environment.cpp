#include "environment.h"

#include <algorithm>
#include <limits>
#include <system_error>
#include <utility>

#include "job.h"
#include "native_engine.h"

namespace tft::binding {
namespace {

/// JavaScript settles this many requests in well under a millisecond.
constexpr std::size_t kMaxPerTurn = 32;

}  // namespace

bool can_run(napi_env env) {
  napi_value global = nullptr;
  napi_value value = nullptr;
  return napi_get_global(env, &global) == napi_ok &&
         napi_get_named_property(env, global, "undefined", &value) == napi_ok;
}

Environment& Environment::create(Napi::Env env) {
  auto* environment = new Environment(env);
  env.SetInstanceData<Environment>(environment);  // deletes it when the environment ends
  return *environment;
}

Environment& Environment::of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

Environment::Environment(Napi::Env env) : env_(env) {
  napi_value name = Napi::String::New(env, "tft-tensorrt");
  napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, wake, &wake_);
  // Unreferenced, it does not keep the process alive; `submitted` references it while requests run.
  napi_unref_threadsafe_function(env, wake_);
  completions_ = std::make_unique<CompletionQueue>(wake_);
  // Hooks run in reverse order. Registered after the ThreadSafeFunction, this hook runs before the function's
  // own: it ends all engine threads, and none can call the function once that is gone.
  napi_add_env_cleanup_hook(env, clean_up, this);
}

Environment::~Environment() {
  join_retired(true);
  discard();
}

void Environment::add(std::unique_ptr<Job> job) { jobs_.push_back(std::move(job)); }

std::unique_ptr<Job> Environment::remove(Job* job) {
  const auto found =
      std::find_if(jobs_.begin(), jobs_.end(), [job](const auto& one) { return one.get() == job; });
  std::unique_ptr<Job> taken = std::move(*found);
  jobs_.erase(found);
  return taken;
}

void Environment::discard() {
  for (QueueItem* list : {std::exchange(collected_, nullptr), completions_->collect()}) {
    while (list != nullptr) {
      QueueItem* item = std::exchange(list, list->next);
      if (item->kind == QueueItem::Kind::MESSAGE) delete static_cast<Message*>(item);
    }
  }
}

void Environment::submitted() {
  if (under_way_++ == 0) napi_ref_threadsafe_function(env_, wake_);
}

void Environment::settled() {
  if (--under_way_ == 0) napi_unref_threadsafe_function(env_, wake_);
}

void Environment::wake(napi_env env, napi_value, void* context, void*) {
  auto* environment = static_cast<Environment*>(context);
  if (env != nullptr && !environment->turn_comes_) environment->deliver(kMaxPerTurn);
}

void Environment::use_immediate(const Napi::Function& set_immediate) {
  set_immediate_ = Napi::Persistent(set_immediate);
  turn_ = Napi::Persistent(Napi::Function::New(
      env_, [](const Napi::CallbackInfo& info) { Environment::of(info.Env()).turn(); }, "deliver"));
}

void Environment::turn() {
  turn_comes_ = false;
  completions_->fall_asleep();
  deliver(kMaxPerTurn);
}

void Environment::deliver_all() { deliver(std::numeric_limits<std::size_t>::max()); }

void Environment::deliver(std::size_t most) {
  if (!can_run(env_)) return;
  Napi::HandleScope scope(env_);
  if (collected_ == nullptr) collected_ = completions_->collect();
  if (collected_ == nullptr) return;
  if (!turn_comes_ && !set_immediate_.IsEmpty()) {
    turn_comes_ = true;
    completions_->stay_awake();
    set_immediate_.Call({turn_.Value()});
  }
  NativeEngine* last = nullptr;
  for (std::size_t count = 0; collected_ != nullptr && count < most; count++) {
    QueueItem* item = collected_;
    collected_ = item->next;
    if (collected_ == nullptr && most > kMaxPerTurn) collected_ = completions_->collect();
    if (item->kind == QueueItem::Kind::MESSAGE) {
      std::unique_ptr<Message>(static_cast<Message*>(item))->deliver();
    } else {
      auto* request = static_cast<PendingRequest*>(item);
      if (last != nullptr && (last != request->engine || last->is_full())) last->hand_over();
      last = request->engine;
      last->finished(*request);
    }
  }
  if (last != nullptr) last->hand_over();
}

void Environment::shut_down() {
  for (const auto& job : jobs_) job->call_off();
  for (NativeEngine* engine : engines_) engine->call_off();
  for (const auto& job : jobs_) job->join();
  for (NativeEngine* engine : engines_) engine->close_now();
  join_retired(true);
}

void Environment::clean_up(void* self) {
  auto* environment = static_cast<Environment*>(self);
  environment->shut_down();
  environment->completions_->close();
  // Discard now: the requests in the queue belong to the engine objects, which still exist.
  environment->discard();
  environment->jobs_.clear();
}

void Environment::retire(std::unique_ptr<TFTEngine> engine) {
  join_retired(false);
  auto done = std::make_shared<std::atomic<bool>>(false);
  try {
    auto free = [done, engine = std::move(engine)]() mutable {
      engine.reset();
      *done = true;
    };
    retired_.push_back({std::thread(std::move(free)), done});
  } catch (const std::system_error&) {
    // No thread could be started. The lambda's destructor has freed the engine on this thread.
  }
}

void Environment::join_retired(bool all) {
  std::erase_if(retired_, [all](Retired& retired) {
    if (!all && !*retired.done) return false;
    retired.thread.join();
    return true;
  });
}

}  // namespace tft::binding

#include "environment.h"

#include <system_error>
#include <utility>

#include "native_engine.h"

namespace tft::binding {

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
  // Alone it keeps no process alive; requests under way do.
  napi_unref_threadsafe_function(env, wake_);
  outbox_ = std::make_unique<Outbox>(wake_);
  // Hooks run in the reverse order: this one, after which no engine thread is left, before the ThreadSafeFunction's
  // own, after which it must not be called.
  napi_add_env_cleanup_hook(env, clean_up, this);
}

Environment::~Environment() {
  join_retired(true);
  discard();
}

void Environment::discard() {
  for (Parcel* parcel = outbox_->collect(); parcel != nullptr;) {
    Parcel* next = parcel->next;
    if (parcel->kind == Parcel::Kind::LOG) delete static_cast<LogLine*>(parcel);
    parcel = next;
  }
}

void Environment::submitted() {
  if (under_way_++ == 0) napi_ref_threadsafe_function(env_, wake_);
}

void Environment::settled() {
  if (--under_way_ == 0) napi_unref_threadsafe_function(env_, wake_);
}

void Environment::wake(napi_env env, napi_value, void* context, void*) {
  if (env != nullptr) static_cast<Environment*>(context)->deliver();
}

void Environment::deliver() {
  if (!can_run(env_)) return;
  Napi::HandleScope scope(env_);
  NativeEngine* last = nullptr;
  for (Parcel* parcel = outbox_->collect(); parcel != nullptr;) {
    Parcel* next = parcel->next;
    if (parcel->kind == Parcel::Kind::LOG) {
      std::unique_ptr<LogLine> line(static_cast<LogLine*>(parcel));
      line->target->receive(line->level, std::move(line->message));
    } else {
      auto* request = static_cast<PendingRequest*>(parcel);
      if (last != nullptr && (last != request->engine || last->is_full())) last->hand_over();
      last = request->engine;
      last->finished(*request);
    }
    parcel = next;
  }
  if (last != nullptr) last->hand_over();
}

void Environment::shut_down() {
  for (NativeEngine* engine : engines_) engine->call_off();
  for (NativeEngine* engine : engines_) engine->close_now();
  join_retired(true);
}

void Environment::clean_up(void* self) {
  auto* environment = static_cast<Environment*>(self);
  environment->shut_down();
  environment->outbox_->close();
  // Now, while the engines' objects are there, which own the requests.
  environment->discard();
}

void Environment::retire(std::unique_ptr<TFTTensorRTEngine> engine) {
  join_retired(false);
  auto done = std::make_shared<std::atomic<bool>>(false);
  try {
    auto free = [done, engine = std::move(engine)]() mutable {
      engine.reset();
      *done = true;
    };
    retired_.push_back({std::thread(std::move(free)), done});
  } catch (const std::system_error&) {
    // No thread to be had: the lambda's destructor has freed the engine here and now.
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

#include "native_engine.h"

#include <chrono>
#include <cstring>
#include <new>
#include <utility>

#include "describe.h"
#include "environment.h"
#include "errors.h"
#include "work.h"

namespace tft::binding {
namespace {

/// The memory of a result up to this size is kept for the next request.
constexpr std::size_t kKeptValues = 1 << 18;

/// A longer deadline (three years) counts as none.
constexpr double kMaxDeadlineMs = 1e11;

std::size_t values_of(const TensorShape& tensor) {
  std::size_t values = 1;
  for (const std::int64_t steps : tensor.item) values *= static_cast<std::size_t>(steps);
  return values;
}

Request::Clock::time_point deadline_in(double milliseconds) {
  if (!(milliseconds >= 0) || milliseconds > kMaxDeadlineMs) return Request::Clock::time_point::max();
  return Request::Clock::now() + std::chrono::duration_cast<Request::Clock::duration>(
                                     std::chrono::duration<double, std::milli>(milliseconds));
}

Napi::Value fail(Napi::Env env, const Napi::Error& error) {
  error.ThrowAsJavaScriptException();
  return env.Undefined();
}

}  // namespace

const char* level_name(LogLevel level) {
  switch (level) {
    case LogLevel::DEBUG:
      return "debug";
    case LogLevel::INFO:
      return "info";
    case LogLevel::WARN:
      return "warn";
    case LogLevel::ERROR:
      return "error";
  }
  return "info";
}

void LogTarget::receive(LogLevel level, std::string message) {
  if (engine != nullptr) {
    engine->log(level, message);
  } else if (loading) {
    early.emplace_back(level, std::move(message));
  }
}

Napi::Function NativeEngine::define(Napi::Env env) {
  return DefineClass(env, "NativeEngine",
                     {
                         InstanceMethod<&NativeEngine::submit>("submit"),
                         InstanceMethod<&NativeEngine::submit_all>("submitAll"),
                         InstanceMethod<&NativeEngine::take>("take"),
                         InstanceMethod<&NativeEngine::cancel>("cancel"),
                         InstanceMethod<&NativeEngine::predict>("predict"),
                         InstanceMethod<&NativeEngine::warmup>("warmup"),
                         InstanceMethod<&NativeEngine::close>("close"),
                         InstanceMethod<&NativeEngine::describe_info>("info"),
                         InstanceMethod<&NativeEngine::describe_counters>("counters"),
                     });
}

NativeEngine::NativeEngine(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<NativeEngine>(info), environment_(Environment::of(info.Env())) {
  const Napi::Env env = info.Env();
  if (!info[0].IsExternal()) {
    fail(env, to_js(env, "ERR_TFT_OPTION", "engines are made by load"));
    return;
  }
  Loaded& loaded = *info[0].As<Napi::External<Loaded>>().Data();
  engine_ = std::move(loaded.engine);
  shape_ = std::move(loaded.shape);
  log_ = std::move(loaded.log);
  for (const TensorShape& input : shape_.inputs) input_sizes_.push_back(values_of(input));
  for (const TensorShape& output : shape_.outputs) output_sizes_.push_back(values_of(output));
  arrays_.resize(input_sizes_.size());

  auto done = Napi::Uint32Array::New(env, kMaxAtOnce);
  done_ = done.Data();
  info.This().As<Napi::Object>().Set("done", done);
  log_->engine = this;
  log_->loading = false;
  counted_bytes_ = static_cast<std::int64_t>(engine_->info().pinned_bytes);
  Napi::MemoryManagement::AdjustExternalMemory(env, counted_bytes_);
  environment_.add(this);
}

NativeEngine::~NativeEngine() {
  if (!engine_) return;
  log_->engine = nullptr;
  forget_memory();
  environment_.remove(this);
  // No request is running here, since a running request keeps this object from being collected. If the
  // environment is ending, requests no longer keep it, but the engine is already closed.
  environment_.retire(std::move(engine_));
}

void NativeEngine::forget_memory() {
  if (counted_bytes_ != 0) Napi::MemoryManagement::AdjustExternalMemory(Env(), -counted_bytes_);
  counted_bytes_ = 0;
}

void NativeEngine::begin_parts(std::size_t count) {
  copies_.clear();
  memory_ = InputMemory::COPIED;
  parts_.assign(count, {});
  inputs_.resize(count * input_sizes_.size());
  outputs_.resize(count * output_sizes_.size());
  for (std::size_t i = 0; i < count; i++) {
    parts_[i].inputs = {&inputs_[i * input_sizes_.size()], input_sizes_.size()};
    parts_[i].outputs = {&outputs_[i * output_sizes_.size()], output_sizes_.size()};
  }
}

bool NativeEngine::read_part(Napi::Env env, std::size_t number, bool borrow) {
  const void** const data = &inputs_[number * input_sizes_.size()];
  std::size_t batch = 0;
  for (std::size_t i = 0; i < input_sizes_.size(); i++) {
    View view;
    // src/contract has checked this with better messages; this check protects the memory.
    const bool fits = read_view(env, arrays_[i], shape_.inputs[i].type, view) && view.length > 0 &&
                      view.length % input_sizes_[i] == 0 &&
                      (i == 0 || view.length / input_sizes_[i] == batch);
    if (!fits) {
      fail(env, to_js(env, "ERR_TFT_INPUT_LENGTH", "an input has another type or length than it had"));
      return false;
    }
    batch = view.length / input_sizes_[i];
    data[i] = view.data;
    if (borrow) {
      if (memory_ != InputMemory::REVOCABLE)
        memory_ = view.shared ? InputMemory::BORROWED : InputMemory::REVOCABLE;
    } else if (view.shared && !is_large(batch)) {
      // Another thread may write to shared memory: check and run the same copy. The engine does so with large
      // requests.
      const auto* bytes = static_cast<const char*>(view.data);
      data[i] = copies_.emplace_back(bytes, bytes + view.length * sizeof(float)).data();
    }
  }
  parts_[number].batch = static_cast<int>(batch);
  return true;
}

bool NativeEngine::check_values(Napi::Env env) {
  BadValue bad;
  for (std::size_t part = 0; part < parts_.size(); part++) {
    if (!find_bad_value(shape_, parts_[part].inputs, parts_[part].batch, bad)) continue;
    bad.part = static_cast<int>(part);
    fail(env, to_js(env, bad));
    return false;
  }
  return true;
}

/// submit(deadlineMs, the inputs in the model's order): the request's handle.
Napi::Value NativeEngine::submit(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  begin_parts(1);
  for (std::size_t i = 0; i < arrays_.size(); i++) arrays_[i] = info[1 + i];
  if (!read_part(env, 0, false)) return env.Undefined();
  return send(env, info[0].As<Napi::Number>().DoubleValue(), {}, {});
}

/// submitAll(deadlineMs, [inputs of the first part, inputs of the second …], borrow, targets): the request's
/// handle. With `borrow` the array and its elements are kept until `take`, and the caller must not change
/// them; so is `targets`, an array for each output, if it is given.
Napi::Value NativeEngine::submit_all(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto list = info[1].As<Napi::Array>();
  const bool borrow = info[2].ToBoolean() && can_read_revocable();
  const auto inputs = static_cast<std::uint32_t>(arrays_.size());
  begin_parts(list.Length() / inputs);
  for (std::uint32_t part = 0; part < parts_.size(); part++) {
    Napi::HandleScope scope(env);
    for (std::uint32_t i = 0; i < inputs; i++) arrays_[i] = list.Get(part * inputs + i);
    if (!read_part(env, part, borrow)) return env.Undefined();
  }
  const Napi::Array targets = info[3].IsArray() ? info[3].As<Napi::Array>() : Napi::Array();
  return send(env, info[0].As<Napi::Number>().DoubleValue(), borrow ? list : Napi::Array(), targets);
}

/// Whether the engine checks the inputs of so many series faster than `check_values` does.
bool NativeEngine::is_large(std::size_t series) const {
  std::size_t values = 0;
  for (const std::size_t size : input_sizes_) values += size;
  return series * values * sizeof(float) >= kCheckedCopyBytes;
}

void NativeEngine::place_output(std::size_t output, float* memory) {
  for (std::size_t part = 0; part < parts_.size(); part++) {
    outputs_[part * output_sizes_.size() + output] = memory;
    memory += static_cast<std::size_t>(parts_[part].batch) * output_sizes_[output];
  }
}

bool NativeEngine::place_in_targets(Napi::Env env, Napi::Array targets, std::size_t series) {
  for (std::size_t i = 0; i < output_sizes_.size(); i++) {
    View target;
    if (!read_view(env, targets.Get(static_cast<std::uint32_t>(i)), ElementType::FLOAT32, target) ||
        target.length != series * output_sizes_[i])
      return false;
    place_output(i, static_cast<float*>(const_cast<void*>(target.data)));
  }
  return true;
}

Napi::Value NativeEngine::send(Napi::Env env, double deadline_ms, Napi::Array borrowed, Napi::Array targets) {
  std::size_t series = 0;
  for (const Part& part : parts_) series += static_cast<std::size_t>(part.batch);
  // The engine checks borrowed values, and those of large requests while it copies them.
  const bool copied = borrowed.IsEmpty();
  const bool check = copied && is_large(series);
  if (copied && !check && !check_values(env)) return env.Undefined();
  const bool in_place = !targets.IsEmpty();
  if (in_place && !place_in_targets(env, targets, series))
    return fail(env,
                to_js(env, "ERR_TFT_OUTPUT_BUFFER", "a target has another type or length than its output"));
  std::size_t values = 0;
  for (const std::size_t size : output_sizes_) values += series * size;
  PendingRequest* place = find_place(in_place ? 0 : values);
  if (place == nullptr) {
    const std::string bytes = std::to_string(values * sizeof(float));
    return fail(env, to_js(env, {ErrorCode::OUT_OF_MEMORY, "no memory for a result of " + bytes + " bytes"}));
  }
  PendingRequest& request = *place;
  request.series = series;
  float* out = request.out.get();
  for (std::size_t i = 0; !in_place && i < output_sizes_.size(); i++) {
    place_output(i, out);
    out += series * output_sizes_[i];
  }
  // Keep the arrays before an engine thread can read or write them.
  if (!borrowed.IsEmpty()) request.borrowed = Napi::Persistent(borrowed);
  if (in_place) request.targets = Napi::Persistent(targets);
  const Result<RequestId> sent =
      engine_->submit({parts_, deadline_in(deadline_ms), completed, &request, memory_, check});
  if (!sent.ok()) {
    request.borrowed.Reset();
    request.targets.Reset();
    free_.push_back(&request);
    return fail(env, to_js(env, sent.error()));
  }
  request.id = *sent;
  // Keeps this object and the process alive until the result is taken.
  if (under_way_++ == 0) Ref();
  environment_.submitted();
  return Napi::Number::New(env, request.handle);
}

/// A free place for a request, with memory for its result; null if the memory cannot be allocated.
PendingRequest* NativeEngine::find_place(std::size_t values) {
  if (free_.empty()) {
    const auto handle = static_cast<std::uint32_t>(places_.size());
    free_.push_back(places_.emplace_back(std::make_unique<PendingRequest>(this, handle)).get());
  }
  PendingRequest& request = *free_.back();
  free_.pop_back();
  if (request.capacity < values) {
    request.out.reset(new (std::nothrow) float[values]);
    request.capacity = request.out ? values : 0;
    if (!request.out) {
      free_.push_back(&request);
      return nullptr;
    }
  }
  request.error.reset();
  return &request;
}

/// On an engine thread: no JavaScript values here.
void NativeEngine::completed(RequestId, const Result<Timing>& result, void* user) noexcept {
  auto* request = static_cast<PendingRequest*>(user);
  if (!result.ok()) request->error = result.error();
  request->engine->environment_.completions().post(request);
}

void NativeEngine::finished(PendingRequest& request) { done_[done_count_++] = request.handle; }

void NativeEngine::hand_over() {
  const Napi::Env env = Env();
  const std::uint32_t count = std::exchange(done_count_, 0);
  const Napi::Object self = Value();
  const Napi::Value deliver = self.Get("deliver");
  if (deliver.IsFunction()) {
    deliver.As<Napi::Function>().Call(self, {Napi::Number::New(env, count)});
  }
}

void NativeEngine::log(LogLevel level, const std::string& message) {
  const Napi::Env env = Env();
  const Napi::Object self = Value();
  if (self.IsEmpty()) return;  // collected, but not yet finalized
  const Napi::Value receive = self.Get("log");
  if (receive.IsFunction()) {
    receive.As<Napi::Function>().Call(
        self, {Napi::String::New(env, level_name(level)), Napi::String::New(env, message)});
  }
}

/// Copies each output to its array, from info[1] on. Returns false if an array does not fit; others may be
/// written by then.
bool NativeEngine::copy_results(const Napi::CallbackInfo& info, const PendingRequest& request) const {
  const float* from = request.out.get();
  for (std::size_t i = 0; i < output_sizes_.size(); i++) {
    const std::size_t values = request.series * output_sizes_[i];
    View target;
    if (!read_view(info.Env(), info[1 + i], ElementType::FLOAT32, target) || target.length != values)
      return false;
    engine_->copy(const_cast<void*>(target.data), from, values * sizeof(float));
    from += values;
  }
  return true;
}

/// take(handle, a target for each output): copies a delivered result, or drops it if the first target is
/// undefined. A result in place is there already. Returns the request's error, or undefined.
Napi::Value NativeEngine::take(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::uint32_t handle = info[0].As<Napi::Number>().Uint32Value();
  if (handle >= places_.size() || places_[handle]->id == 0) {
    return fail(env, to_js(env, "ERR_TFT_RUN", "there is no such request"));
  }
  PendingRequest& request = *places_[handle];
  Napi::Value outcome = env.Undefined();
  if (request.error) {
    outcome = to_js(env, *request.error).Value();
  } else if (!info[1].IsUndefined() && request.targets.IsEmpty() && !copy_results(info, request)) {
    outcome =
        to_js(env, "ERR_TFT_OUTPUT_BUFFER", "`out` was detached or resized while the request waited").Value();
  }
  release(request);
  return outcome;
}

void NativeEngine::release(PendingRequest& request) {
  request.id = 0;
  request.borrowed.Reset();
  request.targets.Reset();
  if (request.capacity > kKeptValues) {
    request.out.reset();
    request.capacity = 0;
  }
  free_.push_back(&request);
  environment_.settled();
  if (--under_way_ == 0) Unref();
}

/// cancel(handle): returns whether the request was still running or waiting.
Napi::Value NativeEngine::cancel(const Napi::CallbackInfo& info) {
  const std::uint32_t handle = info[0].As<Napi::Number>().Uint32Value();
  const bool known = handle < places_.size() && places_[handle]->id != 0;
  return Napi::Boolean::New(info.Env(), known && engine_->cancel(places_[handle]->id));
}

/// predict(the inputs in the model's order, an array for each output): blocks.
Napi::Value NativeEngine::predict(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  begin_parts(1);
  for (std::size_t i = 0; i < arrays_.size(); i++) arrays_[i] = info[i];
  if (!read_part(env, 0, false)) return env.Undefined();
  for (std::size_t i = 0; i < output_sizes_.size(); i++) {
    View out;
    if (!read_view(env, info[arrays_.size() + i], ElementType::FLOAT32, out) ||
        out.length != static_cast<std::size_t>(parts_[0].batch) * output_sizes_[i]) {
      return fail(env, to_js(env, "ERR_TFT_OUTPUT_BUFFER", "`out` has another type or length than it had"));
    }
    outputs_[i] = static_cast<float*>(const_cast<void*>(out.data));
  }
  const bool check = is_large(static_cast<std::size_t>(parts_[0].batch));
  if (!check && !check_values(env)) return env.Undefined();
  const Result<Timing> result = engine_->predict(parts_[0], check);
  if (!result.ok()) return fail(env, to_js(env, result.error()));
  return env.Undefined();
}

/// warmup(): a promise.
Napi::Value NativeEngine::warmup(const Napi::CallbackInfo& info) {
  return start_work(
      info.Env(), [this, hold = held()] { return engine_->warmup(); },
      [](Napi::Env env) { return env.Undefined(); });
}

/// close(): a promise of the run-time cache that resolves after all results are delivered.
Napi::Value NativeEngine::close(const Napi::CallbackInfo& info) {
  return start_work(
      info.Env(),
      [this, hold = held()] {
        engine_->close();
        return Result<void>();
      },
      [this](Napi::Env env) {
        // Results that arrived while closing are still in the completion queue. Deliver them first, so that
        // their promises settle before close's.
        environment_.deliver_all();
        forget_memory();
        return bytes_to_js(env, engine_->runtime_cache());
      });
}

Napi::Value NativeEngine::describe_info(const Napi::CallbackInfo& info) {
  return describe(info.Env(), engine_->info());
}

Napi::Value NativeEngine::describe_counters(const Napi::CallbackInfo& info) {
  return describe(info.Env(), engine_->counters());
}

void NativeEngine::call_off() {
  for (const auto& request : places_) {
    if (request->id != 0) engine_->cancel(request->id);
  }
}

void NativeEngine::close_now() { engine_->close(); }

}  // namespace tft::binding

// The JavaScript object around one TFTEngine.
//
// Engine threads write a request's result to memory of ours, and JavaScript's thread copies it out: the
// caller's ArrayBuffer could be detached, or freed with its worker, during the write. They write in place to
// arrays that no caller has yet: a request keeps these until it is taken, and a worker that ends waits for
// the engine first.
//
// Engine threads read borrowed inputs in place. The memory of a SharedArrayBuffer lives as long as an object
// refers to it, and a request keeps such objects until it is taken. The memory of an ArrayBuffer is freed
// when JavaScript detaches the buffer, even if an object refers to it: it is read as InputMemory::REVOCABLE,
// and src/backends/tensorrt checks its arrays again when the request has ended.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "arguments.h"
#include "completion_queue.h"
#include "napi_setup.h"
#include "tft/bad_value.h"
#include "tft/engine.h"

namespace tft::binding {

class Environment;
class NativeEngine;

/// Receives an engine's log on JavaScript's thread.
struct LogTarget {
  NativeEngine* engine = nullptr;  // from the end of loading until it is collected
  bool loading = true;             // lines go to `early`, for the caller of load
  std::vector<std::pair<LogLevel, std::string>> early;
  void receive(LogLevel level, std::string message);
};

/// A line of an engine's log for JavaScript.
struct LogLine : Message {
  LogLine(std::shared_ptr<LogTarget> to, LogLevel what, std::string text)
      : target(std::move(to)), level(what), message(std::move(text)) {}
  void deliver() override { target->receive(level, std::move(message)); }
  std::shared_ptr<LogTarget> target;
  LogLevel level;
  std::string message;
};

const char* level_name(LogLevel level);

/// A request, or a free place for the next one.
struct PendingRequest : QueueItem {
  PendingRequest(NativeEngine* owner, std::uint32_t number)
      : QueueItem(Kind::REQUEST), engine(owner), handle(number) {}
  NativeEngine* const engine;
  const std::uint32_t handle;  // JavaScript's name for it; reused after `take`
  RequestId id = 0;            // 0: the place is free
  std::unique_ptr<float[]> out;
  std::size_t capacity = 0;
  std::size_t series = 0;                 // in all its parts
  std::optional<Error> error;             // written by an engine thread before it posts
  Napi::Reference<Napi::Array> borrowed;  // keeps the borrowed inputs until `take`
  Napi::Reference<Napi::Array> targets;   // of a result in place, instead of `out`; kept until `take`
};

/// The result of loading.
struct Loaded {
  std::unique_ptr<TFTEngine> engine;
  ModelShape shape;
  std::shared_ptr<LogTarget> log;
};

class NativeEngine : public Napi::ObjectWrap<NativeEngine> {
 public:
  static Napi::Function define(Napi::Env env);

  /// Takes an External of Loaded and moves its content out.
  explicit NativeEngine(const Napi::CallbackInfo& info);
  ~NativeEngine() override;

  /// Adds an ended request to those of the next `hand_over`. Not while `is_full`.
  void finished(PendingRequest& request);
  bool is_full() const { return done_count_ == kMaxAtOnce; }
  /// Calls JavaScript's `deliver(count)` for the ended requests.
  void hand_over();
  void log(LogLevel level, const std::string& message);

  /// Cancels all requests without calling JavaScript.
  void call_off();
  /// Blocks until running batches have ended.
  void close_now();

 private:
  static constexpr std::uint32_t kMaxAtOnce = 256;

  // Methods as src/native/addon.ts declares them.
  Napi::Value submit(const Napi::CallbackInfo& info);
  Napi::Value submit_all(const Napi::CallbackInfo& info);
  Napi::Value take(const Napi::CallbackInfo& info);
  Napi::Value cancel(const Napi::CallbackInfo& info);
  Napi::Value predict(const Napi::CallbackInfo& info);
  Napi::Value warmup(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  Napi::Value describe_info(const Napi::CallbackInfo& info);
  Napi::Value describe_counters(const Napi::CallbackInfo& info);

  /// Keeps the object from being collected.
  Napi::ObjectReference held() { return Napi::Persistent(Value()); }
  /// Tells V8 that the engine's memory is freed.
  void forget_memory();
  /// Prepares `parts_` for `count` parts.
  void begin_parts(std::size_t count);
  /// Reads the inputs in `arrays_`. Returns false with a pending exception if one does not fit.
  bool read_part(Napi::Env env, std::size_t number, bool borrow);
  /// Checks every value of `parts_`. Returns false with a pending exception if one is bad.
  bool check_values(Napi::Env env);
  bool is_large(std::size_t series) const;
  /// Submits `parts_`. `borrowed`: the borrowed inputs, or empty. `targets`: an array for each output, which
  /// the engine fills, or empty.
  Napi::Value send(Napi::Env env, double deadline_ms, Napi::Array borrowed, Napi::Array targets);
  /// Points the parts' outputs at an output of all series, one part after another.
  void place_output(std::size_t output, float* memory);
  /// Points them at the targets. Returns false if one does not fit.
  bool place_in_targets(Napi::Env env, Napi::Array targets, std::size_t series);
  PendingRequest* find_place(std::size_t values);
  bool copy_results(const Napi::CallbackInfo& info, const PendingRequest& request) const;
  void release(PendingRequest& request);
  static void completed(RequestId id, const Result<Timing>& result, void* user) noexcept;

  Environment& environment_;
  std::unique_ptr<TFTEngine> engine_;
  ModelShape shape_;
  std::vector<std::size_t> input_sizes_, output_sizes_;  // values of one series
  std::shared_ptr<LogTarget> log_;

  std::vector<std::unique_ptr<PendingRequest>> places_;
  std::vector<PendingRequest*> free_;
  std::size_t under_way_ = 0;
  std::uint32_t* done_ = nullptr;  // the memory of JavaScript's `done`
  std::uint32_t done_count_ = 0;
  // The parts of a submit and the arrays that they point to, reused by the next.
  std::vector<Part> parts_;
  std::vector<napi_value> arrays_;
  std::vector<const void*> inputs_;
  std::vector<float*> outputs_;
  std::vector<std::vector<char>> copies_;  // of shared inputs, for one submit
  InputMemory memory_ = InputMemory::COPIED;
  std::int64_t counted_bytes_ = 0;
};

}  // namespace tft::binding

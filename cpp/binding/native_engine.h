// The JavaScript object around one TFTEngine.
//
// A request's result is written to memory of ours and copied out on JavaScript's thread: an ArrayBuffer of
// the caller's could be detached, or freed with its worker, while an engine thread writes to it.
//
// Borrowed inputs are read by engine threads in place. Memory under a SharedArrayBuffer stays as long as an
// object that refers to it, and a request holds such objects until it is taken. Memory under an ArrayBuffer
// goes when JavaScript detaches the buffer, whoever holds it: it is read as InputMemory::REVOCABLE, and the
// owner of this object looks at its arrays again when the request has ended (src/backends/tensorrt).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "arguments.h"
#include "napi_setup.h"
#include "outbox.h"
#include "tft/bad_value.h"
#include "tft/engine.h"

namespace tft::binding {

class Environment;
class NativeEngine;

/// Where an engine's log goes. JavaScript's thread only.
struct LogTarget {
  NativeEngine* engine = nullptr;  // once there is one, until it is collected
  bool loading = true;             // lines are kept for who loads
  std::vector<std::pair<LogLevel, std::string>> early;
  void receive(LogLevel level, std::string message);
};

/// A line of an engine's log on its way to JavaScript.
struct LogLine : Message {
  LogLine(std::shared_ptr<LogTarget> to, LogLevel what, std::string text)
      : target(std::move(to)), level(what), message(std::move(text)) {}
  void deliver() override { target->receive(level, std::move(message)); }
  std::shared_ptr<LogTarget> target;
  LogLevel level;
  std::string message;
};

const char* level_name(LogLevel level);

/// A request under way, or a place for the next one.
struct PendingRequest : Parcel {
  PendingRequest(NativeEngine* owner, std::uint32_t number)
      : Parcel(Kind::REQUEST), engine(owner), handle(number) {}
  NativeEngine* const engine;
  const std::uint32_t handle;  // what JavaScript calls it by; used again once it is taken
  RequestId id = 0;            // 0: none is under way here
  std::unique_ptr<float[]> out;
  std::size_t capacity = 0;
  std::size_t series = 0;                 // in all its parts
  std::optional<Error> error;             // engine threads write it before they post
  Napi::Reference<Napi::Array> borrowed;  // the inputs that it borrows, until it is taken
};

/// What loading has made.
struct Loaded {
  std::unique_ptr<TFTEngine> engine;
  ModelShape shape;
  std::shared_ptr<LogTarget> log;
};

class NativeEngine : public Napi::ObjectWrap<NativeEngine> {
 public:
  static Napi::Function define(Napi::Env env);

  /// Takes an External of Loaded, which it empties.
  explicit NativeEngine(const Napi::CallbackInfo& info);
  ~NativeEngine() override;

  /// Remembers a request that is done until `hand_over`; at most as many as `is_full` allows.
  void finished(PendingRequest& request);
  bool is_full() const { return done_count_ == kMostAtOnce; }
  /// Calls JavaScript's `deliver(count)` for them.
  void hand_over();
  void log(LogLevel level, const std::string& message);

  /// Cancels what waits, without a word to JavaScript.
  void call_off();
  /// Blocks until what runs is done.
  void close_now();

 private:
  static constexpr std::uint32_t kMostAtOnce = 256;

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
  /// Its memory is gone: V8 need not count it any more.
  void forget_memory();
  /// Makes room for so many parts.
  void begin_parts(std::size_t count);
  /// Reads the inputs in `arrays_`, and looks at every value unless they are borrowed. False, with an
  /// exception pending, when one is bad.
  bool read_part(Napi::Env env, std::size_t number, bool borrow);
  /// Sends `parts_`; `borrowed` is an array of the inputs that are borrowed, or empty.
  Napi::Value send(Napi::Env env, double deadline_ms, Napi::Array borrowed);
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
  // Reused by each submit: the parts, and the arrays that they point to.
  std::vector<Part> parts_;
  std::vector<napi_value> arrays_;
  std::vector<const void*> inputs_;
  std::vector<float*> outputs_;
  std::vector<std::vector<char>> copies_;  // of shared memory, for one submit
  InputMemory memory_ = InputMemory::COPIED;
  std::int64_t counted_bytes_ = 0;
};

}  // namespace tft::binding

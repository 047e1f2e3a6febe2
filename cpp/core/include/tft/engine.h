// TFTTensorRTEngine: runs a TensorRT plan of a Temporal Fusion Transformer on one or more GPUs.
//
// Neither CUDA nor TensorRT shows here. Threads: every method may be called from any thread, also at the same
// time, except the destructor. The engine has a thread for each lane and one for deadlines and cancellations
// ("engine threads"); completions are called on those only.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tft/error.h"
#include "tft/loader.h"
#include "tft/result.h"

namespace tft {

enum class ElementType { FLOAT32, INT32 };

/// One tensor of the model as model.json has it, without its first dimension, the batch: {288, 14}.
struct TensorShape {
  std::string name;
  ElementType type = ElementType::FLOAT32;
  std::vector<std::int64_t> item;
};

/// What the plan must have, no more and no less.
struct ModelShape {
  /// Encoder continuous, encoder categories, decoder continuous, decoder categories: the order of `Inputs`.
  std::array<TensorShape, 4> inputs;
  TensorShape output;
};

enum class LogLevel { DEBUG, INFO, WARN, ERROR };

/// Called on any thread, at times on several at once, from `load` until the destructor has returned. Must not
/// call the engine and must not throw.
using Log = std::function<void(LogLevel level, const std::string& message)>;

struct EngineOptions {
  LoaderOptions libraries;
  std::vector<int> devices = {0};  // CUDA's numbers
  int lanes = 2;                   // for each device, 1 to 64
  int max_batch = 0;               // 0: the plan's maximum
  int queue_limit = 4096;          // the most servers that may wait, at least 1
  bool cuda_graphs = true;
  /// Lane threads wait by polling all the time, for a core each. Otherwise they sleep until a run is nearly
  /// over, and poll then.
  bool poll = false;
  /// A plan may carry code for the host (version-compatible ones with their runtime inside do). It is as
  /// powerful as any program, so it runs only if asked for.
  bool allow_host_code = false;
  Log log;
};

/// Row-major host arrays in the order of ModelShape::inputs, `batch` servers each.
struct Inputs {
  const float* encoder_cont = nullptr;
  const std::int32_t* encoder_cat = nullptr;
  const float* decoder_cont = nullptr;
  const std::int32_t* decoder_cat = nullptr;
};

/// Servers to forecast, and where their predictions go: `batch` items of ModelShape::output.
struct Part {
  Inputs inputs;
  int batch = 0;
  float* out = nullptr;
};

/// What a request went through, its longest part's where it ran in several. Microseconds.
struct Timing {
  double queue_us = 0;    // from submit until its batch began
  double copy_in_us = 0;  // host to device, by CUDA's events like the next two
  double run_us = 0;
  double copy_out_us = 0;
  int batch = 0;   // servers in the batch that it ran in, others' included
  int bucket = 0;  // the batch that ran, padding included
};

/// Names an accepted request; never 0 and never used twice by one engine.
using RequestId = std::uint64_t;

/// Called exactly once for each accepted request, on an engine thread, never inside submit, cancel or
/// predict; by the time `close` returns it has been called for all. On an error `out` holds nothing of use.
/// Must not block and must not call close or the destructor; submit and cancel are allowed.
using Completion = void (*)(RequestId id, const Result<Timing>& result, void* user) noexcept;

struct Request {
  using Clock = std::chrono::steady_clock;

  /// At least one part; they run as one request and end together. The list and the inputs are copied before
  /// submit returns. The `out`s belong to the engine from submit until the completion is called: they may be
  /// written at any time in between, also after an error was certain.
  std::span<const Part> parts;
  /// When to give up on it unless it has begun.
  Clock::time_point deadline = Clock::time_point::max();
  Completion completion = nullptr;
  void* user = nullptr;  // handed to the completion, never touched
};

struct LaneDevice {
  DeviceReport device;
  int lanes = 0;
  std::uint64_t weights_bytes =
      0;  // what deserializing took of the device's free memory; shared by its lanes
  std::uint64_t activation_bytes = 0;  // of one lane, shared by its contexts
  std::uint64_t buffer_bytes = 0;      // inputs and outputs of one lane
};

/// What really runs.
struct EngineInfo {
  std::string tensorrt_path;
  std::string tensorrt_version;
  bool lean = false;
  std::string cuda_path;
  int cuda_version = 0;
  std::vector<LaneDevice> devices;
  int max_batch = 0;
  std::vector<int> buckets;        // batches are padded to these
  std::uint64_t pinned_bytes = 0;  // staging memory on the host
  std::uint64_t plan_bytes = 0;
  bool cuda_graphs = false;  // wished for; counters say what became of it
};

/// Totals since load. Read together, so that they agree with each other.
struct Counters {
  // Requests by how they ended; `accepted` has those under way too.
  std::uint64_t accepted = 0, succeeded = 0, failed = 0, cancelled = 0, expired = 0;
  std::uint64_t refused = 0;  // QUEUE_FULL
  // What was run. A server is one row of a batch; padding is not counted.
  std::uint64_t servers = 0, batches = 0;
  std::uint64_t graph_launches = 0, plain_launches = 0, captures = 0, capture_failures = 0;
  // Microseconds: queue for each request, the others for each batch.
  double queue_us = 0, copy_in_us = 0, run_us = 0, copy_out_us = 0;
  std::vector<std::uint64_t> batch_sizes;  // [n]: batches with n servers; [0] is 0
  // Now.
  std::uint64_t waiting_servers = 0, running_batches = 0;
};

/// A value that the model cannot take.
struct BadValue {
  int input = 0;          // place in ModelShape::inputs
  std::size_t index = 0;  // of the element in the array
  double value = 0;
};

/// Looks for the first NaN, infinity or category code outside 0 … codes-1. `codes` has the number of codes of
/// each category channel. Needs no engine; fast enough to be called for each request.
/// Returns false when there is none.
bool find_bad_value(const ModelShape& shape, std::span<const std::int32_t> codes, const Inputs& inputs,
                    int batch, BadValue& bad);

/// One tensor as a plan declares it, with every dimension; -1 for one that varies.
struct PlanTensor {
  std::string name;
  bool input = false;
  std::string type;  // "float32", "int32", "float16" …
  std::vector<std::int64_t> shape;
};

/// What a plan says of itself, for callers without a model.json to hold against it.
struct PlanReport {
  std::vector<PlanTensor> tensors;
  int max_batch = 0;  // of its optimisation profiles
};

/// Deserializes a plan to read its tensors and frees it. Blocks for seconds. `options` as for `load`; lanes,
/// queue and batch are not looked at. Errors: those of the libraries, PLAN_INVALID, OUT_OF_MEMORY.
Result<PlanReport> inspect_plan(std::span<const std::byte> plan, const EngineOptions& options = {});

class TFTTensorRTEngine {
 public:
  /// Loads a plan. Blocks for seconds. `plan` is read during the call only.
  static Result<std::unique_ptr<TFTTensorRTEngine>> load(std::span<const std::byte> plan,
                                                         const ModelShape& shape,
                                                         const EngineOptions& options = {});

  /// Closes if that was not done.
  ~TFTTensorRTEngine();
  TFTTensorRTEngine(const TFTTensorRTEngine&) = delete;
  TFTTensorRTEngine& operator=(const TFTTensorRTEngine&) = delete;

  /// Forecasts and blocks; on the calling thread itself where a lane is idle and the batch fits one run.
  Result<Timing> predict(const Inputs& inputs, int batch, float* out);
  /// Several at once, packed into as few runs as possible; all or none.
  Result<Timing> predict_batch(std::span<const Part> parts);

  /// Takes a request: copies its inputs and returns. Errors: CLOSED, DEVICE_LOST, QUEUE_FULL, OPTION (no
  /// parts, a batch below 1, a null pointer); after one of these the completion is not called. A request
  /// larger than the maximum batch runs in parts, and is taken whenever nothing waits, however large.
  Result<RequestId> submit(const Request& request);

  /// Calls a request off. Returns whether it was still under way; its completion then says ABORTED unless its
  /// result came in between. What of it runs already runs on.
  bool cancel(RequestId id);

  /// Runs each bucket on each lane until it runs as it will from then on (graphs captured). Blocks.
  Result<void> warmup();

  /// Refuses new requests, lets those accepted finish, frees everything; when it returns all completions have
  /// been called. May be called again, and at the same time; not from a completion or the log.
  void close();

  /// Immutable after load; valid after close too.
  const EngineInfo& info() const;
  Counters counters() const;

 private:
  class Impl;
  explicit TFTTensorRTEngine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tft

// TFTEngine: runs a Temporal Fusion Transformer that a runtime has loaded (tft/tensorrt.h) on one or more
// GPUs.
//
// This header includes no runtime. Any thread may call any method, several at once, except the destructor.
// The engine has a thread for each lane and one for deadlines and cancellations ("engine threads"); it calls
// completions only on those.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "tft/counters.h"
#include "tft/loader.h"
#include "tft/log.h"
#include "tft/model_shape.h"
#include "tft/request.h"
#include "tft/result.h"

namespace tft {

/// For EngineOptions::split_from.
inline constexpr int kSplitAsSuits = -1;

struct EngineOptions {
  LoaderOptions libraries;
  std::vector<int> devices = {0};  // CUDA's device numbers
  int lanes = 2;                   // for each device, 1 to 64
  int max_batch = 0;               // 0: the plan's maximum
  int queue_limit = 4096;          // the maximum of waiting series, at least 1
  /// While nothing runs, a request of at least this many series is divided among them, into parts of at
  /// least half as many. 0: never; kSplitAsSuits: with TensorRT from 256, since one part is copied while
  /// another runs, and on a CPU from 2, since each lane is a processor's.
  int split_from = kSplitAsSuits;
  /// On Linux, by how much the priority of the lanes' threads is lower than that of the thread that loads, 0
  /// to 19, as of the command nice.
  int nice = 0;
  /// With ONNX Runtime: this library's kernels run the parts of the model that they support.
  bool kernels = true;
  bool cuda_graphs = true;
  /// Lane threads poll for the whole wait, which costs a core each. Otherwise they sleep until a run is
  /// nearly over, and then poll.
  bool poll = false;
  /// Allows plans with host code, as version-compatible plans with their runtime inside have. Such code can
  /// do anything that the process can, so it is refused by default.
  bool allow_host_code = false;
  /// Libraries with the TensorRT plugins that the plan needs, loaded before it. Their code runs in this
  /// process.
  std::vector<std::string> plugins;
  /// What `runtime_cache()` gave after an earlier run of the plan on a GPU of this kind. TensorRT for RTX
  /// then need not compile the kernels again; what it refuses is logged and ignored.
  std::vector<std::byte> runtime_cache;
  Log log;
};

struct LaneDevice {
  DeviceReport device;
  int lanes = 0;
  /// The device memory that deserializing took; the device's lanes share it.
  std::uint64_t weights_bytes = 0;
  std::uint64_t activation_bytes = 0;  // of one lane, shared by its contexts
  std::uint64_t buffer_bytes = 0;      // inputs and outputs of one lane
};

/// The libraries, devices and sizes that the engine runs with.
struct EngineInfo {
  std::string tensorrt_path;
  std::string tensorrt_version;
  bool lean = false;
  bool rtx = false;  // TensorRT for RTX
  std::string cuda_path;
  int cuda_version = 0;
  std::vector<LaneDevice> devices;
  int max_batch = 0;
  std::vector<int> buckets;        // batches are padded to these
  std::uint64_t pinned_bytes = 0;  // staging memory on the host
  std::uint64_t plan_bytes = 0;
  bool cuda_graphs = false;  // as requested; the counters tell how many captures failed
  /// With ONNX Runtime: the parts of the model that this library's kernels run, and the instructions that
  /// these are compiled for ("AVX-512"); empty without them.
  std::vector<std::string> kernels;
  std::string instructions;
};

class LaneFactory;

class TFTEngine {
 public:
  /// For a runtime's `load` function: makes an engine over a loaded model.
  static Result<std::unique_ptr<TFTEngine>> over(std::unique_ptr<LaneFactory> factory,
                                                 const ModelShape& shape, const EngineOptions& options);

  /// Closes the engine if it is open.
  ~TFTEngine();
  TFTEngine(const TFTEngine&) = delete;
  TFTEngine& operator=(const TFTEngine&) = delete;

  /// Forecasts and blocks. Runs on the calling thread if a lane is idle and the batch fits one run. With
  /// `check` every value is checked, as Request::check does.
  Result<Timing> predict(const Part& part, bool check = false);
  /// The same for a model with one output.
  Result<Timing> predict(std::span<const void* const> inputs, int batch, float* out);
  /// Forecasts several parts, packed into as few runs as possible. All succeed, or the call fails.
  Result<Timing> predict_batch(std::span<const Part> parts);

  /// Accepts a request: copies its inputs, unless they are borrowed, and returns. Errors: CLOSED,
  /// DEVICE_LOST, QUEUE_FULL, OPTION (no parts, a batch below 1, a wrong number of arrays, a null pointer),
  /// UNSUPPORTED (revocable inputs, if the system does not allow reading them); after an error the completion
  /// is not called. A request larger than the maximum batch runs in parts, as do those that
  /// EngineOptions::split_from divides; a part may run while the next one is copied. While nothing waits, a
  /// request of any size is accepted.
  Result<RequestId> submit(const Request& request);

  /// Cancels a request. Returns whether it had not ended; its completion then gets ABORTED, unless its result
  /// arrives first. Parts that already run are not interrupted.
  bool cancel(RequestId id);

  /// Runs each bucket on each lane until its context is made and its graphs are captured. Blocks. Without a
  /// warm-up, a bucket's first run sets these up, and fails if that fails: OUT_OF_MEMORY, PLAN_INVALID.
  Result<void> warmup();

  /// Copies memory as memcpy does, for instance a large result; helper threads share large copies. Until the
  /// engine is destroyed.
  void copy(void* to, const void* from, std::size_t bytes);

  /// Refuses new requests, lets accepted ones finish and frees everything. When it returns, all completions
  /// have been called. Several threads may call it, at once or one after another, but not from a completion
  /// or the log.
  void close();

  /// Constant after load, and valid after close.
  const EngineInfo& info() const;
  Counters counters() const;
  /// After `close`: the kernels that TensorRT for RTX compiled, for EngineOptions::runtime_cache. Otherwise
  /// empty.
  const std::vector<std::byte>& runtime_cache() const;

 private:
  class Impl;
  explicit TFTEngine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

static_assert(!std::is_copy_constructible_v<TFTEngine>);

}  // namespace tft

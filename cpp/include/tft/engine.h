// TFTEngine: runs a Temporal Fusion Transformer that a runtime has loaded (tft/tensorrt.h) on one or more
// GPUs.
//
// No runtime shows here. Threads: every method may be called from any thread, also at the same
// time, except the destructor. The engine has a thread for each lane and one for deadlines and cancellations
// ("engine threads"); completions are called on those only.
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
  /// Libraries with TensorRT plugins that the plan needs, loaded before it. They run as any program does.
  std::vector<std::string> plugins;
  Log log;
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

class LaneFactory;

class TFTEngine {
 public:
  /// For a runtime's `load`: an engine over what it has loaded.
  static Result<std::unique_ptr<TFTEngine>> over(std::unique_ptr<LaneFactory> factory,
                                                 const ModelShape& shape, const EngineOptions& options);

  /// Closes if that was not done.
  ~TFTEngine();
  TFTEngine(const TFTEngine&) = delete;
  TFTEngine& operator=(const TFTEngine&) = delete;

  /// Forecasts and blocks; on the calling thread itself where a lane is idle and the batch fits one run.
  Result<Timing> predict(const Part& part);
  /// The same for a model with one output.
  Result<Timing> predict(std::span<const void* const> inputs, int batch, float* out);
  /// Several at once, packed into as few runs as possible; all or none.
  Result<Timing> predict_batch(std::span<const Part> parts);

  /// Takes a request: copies its inputs, unless they are borrowed, and returns. Errors: CLOSED, DEVICE_LOST,
  /// QUEUE_FULL, OPTION (no parts, a batch below 1, a wrong number of arrays, a null pointer), UNSUPPORTED
  /// (revocable inputs, where the system does not let them be read); after one of these the completion is not
  /// called. A request larger than the maximum batch runs in parts, and is taken whenever nothing waits,
  /// however large.
  Result<RequestId> submit(const Request& request);

  /// Calls a request off. Returns whether it was still under way; its completion then says ABORTED unless its
  /// result came in between. What of it runs already runs on.
  bool cancel(RequestId id);

  /// Runs each bucket on each lane until it runs as it will from then on (contexts made, graphs captured).
  /// Blocks. Without it a bucket's first run sets that up, and fails with what that fails with:
  /// OUT_OF_MEMORY, PLAN_INVALID.
  Result<void> warmup();

  /// Refuses new requests, lets those accepted finish, frees everything; when it returns all completions have
  /// been called. May be called again, and at the same time; not from a completion or the log.
  void close();

  /// Immutable after load; valid after close too.
  const EngineInfo& info() const;
  Counters counters() const;

 private:
  class Impl;
  explicit TFTEngine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

static_assert(!std::is_copy_constructible_v<TFTEngine>);

}  // namespace tft

// What the engine needs of a runtime (TensorRT, others): lanes, which run batches, made by a factory that
// holds the loaded model.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/run_report.h"
#include "tft/engine.h"
#include "tft/result.h"

namespace tft {

/// Runs one batch at a time and is used by one thread at a time; which one may change from batch to batch.
class Lane {
 public:
  Lane() = default;
  virtual ~Lane() = default;
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// `staging` is laid out for the maximum batch (BatchLayout). Starts the first `series` of a batch: copies
  /// in, runs, copies out. After an error nothing of it is under way any more. The memory must stay until
  /// `finish`, which polls all the time if said so here, else only when the end is near.
  virtual Result<void> issue(std::byte* staging, int series, bool poll) = 0;
  /// Waits until what was issued is done. After DEVICE_LOST the lane must not be used again.
  virtual Result<RunReport> finish() = 0;
  /// Sets up what a run of so many series needs, so that the run need not. On any thread, also while the lane
  /// runs another batch; nothing where that was done. After an error the run tries again.
  virtual Result<void> prepare(int series) = 0;
  /// Runs each batch size as often as it takes to run as it will from then on.
  virtual Result<void> warm_up(std::byte* staging) = 0;
};

static_assert(!std::is_copy_constructible_v<Lane>);

/// A model that a runtime has loaded. Lanes must be destroyed before their factory.
class LaneFactory {
 public:
  LaneFactory() = default;
  virtual ~LaneFactory() = default;
  LaneFactory(const LaneFactory&) = delete;
  LaneFactory& operator=(const LaneFactory&) = delete;

  /// The most series in one batch.
  virtual int max_batch() const = 0;
  /// All lanes, in the order in which idle ones are to be taken. `captured` is called on a lane's thread
  /// after each attempt to capture a graph; its text is empty if that succeeded, else why not.
  virtual Result<std::vector<std::unique_ptr<Lane>>> make_lanes(
      std::function<void(const std::string& why)> captured) = 0;
  /// Host memory that all lanes can copy from and to; the factory frees it when it is destroyed. Once.
  virtual Result<std::byte*> allocate_staging(std::size_t bytes) = 0;
  /// Fills in what it knows, which is all but the staging memory. After `make_lanes`.
  virtual void describe(EngineInfo& info) const = 0;
};

static_assert(!std::is_copy_constructible_v<LaneFactory>);

}  // namespace tft

// The interface to a runtime such as TensorRT: lanes, which run batches, and the factory that makes them and
// owns the loaded model.
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

/// Runs one batch at a time. Used by one thread at a time, not necessarily always the same.
class Lane {
 public:
  Lane() = default;
  virtual ~Lane() = default;
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// Starts a batch of the first `series` series in `staging`, which has the layout of the maximum batch
  /// (BatchLayout): copies in, runs, copies out. After an error, no work is left on the device. The memory
  /// must stay valid until `finish`. With `poll`, `finish` polls for the whole wait, otherwise only near its
  /// end.
  virtual Result<void> issue(std::byte* staging, int series, bool poll) = 0;
  /// Waits until the issued batch has ended. After DEVICE_LOST the lane must not be used again.
  virtual Result<RunReport> finish() = 0;
  /// Sets up in advance what a run of `series` series needs; does nothing if that is set up. Any thread, even
  /// while the lane runs another batch. After an error the run tries again.
  virtual Result<void> prepare(int series) = 0;
  /// Runs each bucket until its context is made and its graphs are captured.
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

  /// The maximum number of series in a batch.
  virtual int max_batch() const = 0;
  /// Makes all lanes, in the order in which idle ones are taken. `captured` is called on a lane's thread
  /// after each attempt to capture a graph, with an empty text after success, else with the reason.
  virtual Result<std::vector<std::unique_ptr<Lane>>> make_lanes(
      std::function<void(const std::string& why)> captured) = 0;
  /// Allocates host memory that all lanes can copy from and to; the factory frees it in its destructor. Call
  /// it once.
  virtual Result<std::byte*> allocate_staging(std::size_t bytes) = 0;
  /// Whether a device, and no thread of this process, reads inputs from staging memory.
  virtual bool is_device() const { return false; }
  /// EngineOptions::split_from if the caller leaves it open.
  virtual int split_from() const = 0;
  /// Fills in everything except the size of the staging memory. After `make_lanes`.
  virtual void describe(EngineInfo& info) const = 0;
  /// See EngineOptions::runtime_cache. After all lanes are destroyed.
  virtual std::vector<std::byte> runtime_cache() const { return {}; }
};

static_assert(!std::is_copy_constructible_v<LaneFactory>);

}  // namespace tft

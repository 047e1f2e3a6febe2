// An engine's totals.
#pragma once

#include <cstdint>
#include <vector>

namespace tft {

/// Totals since load, read at one moment so that they agree with each other.
struct Counters {
  // Requests by how they ended; `accepted` includes requests that have not ended.
  std::uint64_t accepted = 0, succeeded = 0, failed = 0, cancelled = 0, expired = 0;
  std::uint64_t refused = 0;  // QUEUE_FULL
  // Work done. A series is one row of a batch; padding is not counted.
  std::uint64_t series = 0, batches = 0;
  std::uint64_t graph_launches = 0, plain_launches = 0, captures = 0, capture_failures = 0;
  // Microseconds: the queue time is summed over requests, the others over batches.
  double queue_us = 0, copy_in_us = 0, run_us = 0, copy_out_us = 0;
  std::vector<std::uint64_t> batch_sizes;  // [n]: batches with n series; [0] is 0
  // The current values.
  std::uint64_t waiting_series = 0, running_batches = 0;
};

}  // namespace tft

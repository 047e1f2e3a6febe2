// Totals of what an engine did.
#pragma once

#include <cstdint>
#include <vector>

namespace tft {

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

}  // namespace tft

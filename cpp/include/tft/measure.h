// Measures a plan as trtexec does: runs it on made-up inputs, on one or more streams, and times every run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "tft/loader.h"
#include "tft/log.h"
#include "tft/result.h"

namespace tft {

struct MeasureOptions {
  LoaderOptions libraries;
  int device = 0;  // CUDA's device number
  int batch = 1;
  int streams = 1;  // each with a context, buffers and a thread; 1 to 64
  double warm_up_ms = 200;
  double duration_ms = 3000;  // the minimum
  int iterations = 10;        // the minimum, over all streams
  /// Runs the computation, without the copies, as a CUDA graph.
  bool cuda_graph = false;
  bool data_transfers = true;  // copy inputs and outputs in each iteration
  bool spin_wait = false;      // wait by polling; otherwise threads sleep, and waking them adds to `end_ms`
  bool allow_host_code = false;
  std::vector<std::string> plugins;  // as EngineOptions::plugins
  bool layer_profile = false;        // adds a separate run in which each layer is timed
  std::stop_token stop;
  Log log;
};

/// One iteration, in milliseconds.
struct Sample {
  double start_ms = 0;    // since the start of the first iteration, by the GPU's clock
  double enqueue_ms = 0;  // CPU time to enqueue the computation
  double copy_in_ms = 0;
  double run_ms = 0;
  double copy_out_ms = 0;
  double latency_ms = 0;  // copy in, run and copy out
  double end_ms = 0;
};

struct LayerTime {
  std::string name;
  double average_ms = 0;   // per run
  std::int64_t calls = 0;  // over all timed runs
};

struct Measured {
  int batch = 0;
  std::vector<Sample> samples;    // in order of start
  double wall_ms = 0;             // from the first start to the last end
  bool graph = false;             // the computation ran as a graph on every stream
  std::size_t graph_nodes = 0;    // kernels, copies and fills in the graph; 0 without one
  std::vector<LayerTime> layers;  // in the network's order
};

/// Measures, and blocks for as long as the options say. Each stream keeps two iterations enqueued, so that
/// the GPU does not wait for the host. Errors: those of loading and running, OPTION, ABORTED.
Result<Measured> measure(std::span<const std::byte> plan, const MeasureOptions& options = {});

}  // namespace tft

// Measures a plan as trtexec does: runs with made-up inputs, as many at once as there are streams, and the
// times of every one of them.
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
  int device = 0;  // CUDA's number
  int batch = 1;
  int streams = 1;  // each with a context, buffers and a thread; 1 to 64
  double warm_up_ms = 200;
  double duration_ms = 3000;  // at least so long
  int iterations = 10;        // and at least so many, on all streams together
  /// Runs the computation as a CUDA graph. The copies stand outside of it.
  bool cuda_graph = false;
  bool data_transfers = true;  // copy inputs and outputs in each iteration
  bool spin_wait = false;      // wait by polling; otherwise threads sleep, which adds its own time to `end`
  bool allow_host_code = false;
  std::vector<std::string> plugins;  // as EngineOptions::plugins
  bool layer_profile = false;        // and a run of its own, in which each layer is timed
  std::stop_token stop;
  Log log;
};

/// One iteration, in milliseconds.
struct Sample {
  double start_ms = 0;    // since the first iteration's start, by the GPU's clock
  double enqueue_ms = 0;  // of the computation, on the CPU
  double copy_in_ms = 0;
  double run_ms = 0;
  double copy_out_ms = 0;
  double latency_ms = 0;  // the three before together
  double end_ms = 0;
};

struct LayerTime {
  std::string name;
  double average_ms = 0;   // of one run
  std::int64_t calls = 0;  // in all runs that were timed
};

struct Measured {
  int batch = 0;
  std::vector<Sample> samples;    // in order of start
  double wall_ms = 0;             // from the first start to the last end
  bool graph = false;             // whether the computation ran as a graph, on every stream
  std::size_t graph_nodes = 0;    // the kernels, copies and fills that it launches; 0 without a graph
  std::vector<LayerTime> layers;  // in the network's order
};

/// Measures; blocks for as long as the options say. Two iterations of a stream are under way at a time, so
/// that the GPU does not wait for the host. Errors: those of loading and running, OPTION, ABORTED.
Result<Measured> measure(std::span<const std::byte> plan, const MeasureOptions& options = {});

}  // namespace tft

// A loaded model with the facts that requests need.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bundle/model.h"
#include "tft/engine.h"

namespace tft::server {

/// Requests that succeeded, by how long they took. Used by one thread.
struct Durations {
  /// The upper bounds of the buckets, in seconds.
  static constexpr std::array kBounds = {0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02,
                                         0.05,   0.1,    0.2,   0.5,   1.0,   2.0,  5.0};
  /// Not cumulative; the last is for what took longer than all.
  std::array<std::uint64_t, kBounds.size() + 1> counts{};
  double seconds = 0;

  void add(double took) {
    const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), took);
    ++counts[static_cast<std::size_t>(bound - kBounds.begin())];
    seconds += took;
  }
};

struct ServedModel {
  bundle::Model description;
  std::string name;     // in URLs and metrics
  std::string version;  // "1" if the path has none
  std::unique_ptr<TFTEngine> engine;
  std::string backend;  // "onnxruntime", "tensorrt"
  std::string device;
  std::string precision;
  int lanes = 1;
  int queue_limit = 1;
  // Written on the network thread while requests hold the model.
  mutable Durations durations;
  mutable std::uint64_t invalid = 0;  // requests that did not reach the engine

  const std::vector<TensorShape>& inputs() const { return description.shape.inputs; }
  const std::vector<TensorShape>& outputs() const { return description.shape.outputs; }
  const TensorShape& predictions() const { return description.shape.outputs.front(); }

  static std::size_t size_of(const TensorShape& tensor) {
    return static_cast<std::size_t>(tensor.item[0] * tensor.item[1]);
  }
  /// The number of values of one series in all inputs together.
  std::size_t values_per_series() const {
    std::size_t sum = 0;
    for (const TensorShape& input : inputs()) sum += size_of(input);
    return sum;
  }
  /// The same in the largest input.
  std::size_t largest_input() const {
    std::size_t most = 0;
    for (const TensorShape& input : inputs()) most = std::max(most, size_of(input));
    return most;
  }
};

using ModelPointer = std::shared_ptr<const ServedModel>;

}  // namespace tft::server

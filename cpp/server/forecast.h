// Runs one request on the engine: awaited with a deadline, cancelled if its client disconnects.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <span>
#include <vector>

#include "server/exchange.h"
#include "server/inputs.h"

namespace tft::server {

/// The values of one output, its shape's for each series.
struct OutputValues {
  std::unique_ptr<float[]> values;
  std::size_t count = 0;

  std::span<const float> view() const { return {values.get(), count}; }
};

/// One for each of the model's outputs: the predictions first.
using Outputs = std::vector<OutputValues>;

/// How long a request may wait until it runs, and when that is over.
struct Wait {
  double milliseconds = 0;
  std::chrono::steady_clock::time_point end;
};

/// `inputs` must stay where they are until the forecast has ended. Throws what the engine answers;
/// HTTP_ABORTED if the client has left.
boost::asio::awaitable<Outputs> forecast(const ServedModel& model, const Inputs& inputs, int series,
                                         Wait wait, Exchange& exchange);

}  // namespace tft::server

// The metrics: the engine's under Triton's names and labels, the server's own under the names of the Node
// service, and the process's. Used by the network thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "server/budget.h"
#include "server/log.h"
#include "server/model_host.h"

namespace tft::server {

/// Microseconds summed over requests. The core times batches: each request is taken to share its batch with
/// the average number of others.
struct RequestTimes {
  double input_us = 0, infer_us = 0, output_us = 0;
};
RequestTimes times_of_requests(const Counters& counters);

class Metrics {
 public:
  Metrics(ModelHost& host, const Budget& budget, const ServerLog& log);

  void answered(const std::string& route, const std::string& method, int status, double seconds);
  void refused(Code code) { ++refusals_[code]; }

  struct Exposition {
    std::string type;
    std::string text;
  };
  /// In Prometheus's format, or in OpenMetrics' if the client prefers it.
  Exposition exposition(std::optional<std::string_view> accept, std::size_t connections) const;

 private:
  /// What one version of the model has counted, over all engines that ran it.
  struct Totals {
    std::string name;
    Counters counters;
    RequestTimes times;
    Durations durations;
    std::uint64_t invalid = 0;
  };
  struct Histogram {
    static constexpr std::array kBounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                           0.1,    0.25,  0.5,    1.0,   2.5,  5.0,   10.0};
    std::array<std::uint64_t, kBounds.size() + 1> counts{};
    double sum = 0;
  };

  static void add(Totals& totals, const ServedModel& model, const Counters& counters);
  std::map<std::string, Totals> versions() const;
  void write_engine(std::string& out) const;
  void write_server(std::string& out, std::size_t connections) const;

  ModelHost& host_;
  const Budget& budget_;
  const ServerLog& log_;
  std::map<std::string, Totals> gone_;  // by version: of closed engines
  std::map<std::tuple<std::string, std::string, int>, std::uint64_t> requests_;
  std::map<std::string, Histogram> seconds_;
  std::map<Code, std::uint64_t> refusals_;
};

}  // namespace tft::server

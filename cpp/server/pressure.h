// Estimates whether a request can run in time. If it cannot, it is refused at once, before its body is read.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <string>

#include "server/http_error.h"
#include "server/served_model.h"

namespace tft::server {

/// Observes the queue of the current model. Used by one thread.
class Pressure {
 public:
  explicit Pressure(std::int64_t max_wait_ms) : max_wait_ms_(static_cast<double>(max_wait_ms)) {}

  /// Whether the queue is full, or its wait too long.
  bool is_full(const ServedModel& model) {
    look(model);
    return waiting_ >= model.queue_limit || wait_ms_ > max_wait_ms_;
  }

  /// Throws HTTP_OVERLOADED with the time after which the queue should have room.
  void refuse_when_late(const ServedModel& model, double within_ms) {
    look(model);
    if (waiting_ < model.queue_limit && wait_ms_ <= within_ms) return;
    constexpr int MAX_RETRY_SECONDS = 30;
    const int retry = std::clamp(static_cast<int>(std::ceil(wait_ms_ / 1000)), 1, MAX_RETRY_SECONDS);
    throw HttpError(Code::HTTP_OVERLOADED,
                    std::to_string(waiting_) + " series are waiting, about " +
                        std::to_string(static_cast<std::int64_t>(std::ceil(wait_ms_))) +
                        " ms of work; try again in " + std::to_string(retry) + " s",
                    0, retry);
  }

 private:
  using Clock = std::chrono::steady_clock;
  /// How long an observation is used.
  static constexpr std::chrono::milliseconds kFresh{10};

  void look(const ServedModel& model) {
    const auto now = Clock::now();
    if (seen_ == &model && now - at_ < kFresh) return;
    seen_ = &model;
    at_ = now;
    const Counters counters = model.engine->counters();
    waiting_ = static_cast<std::int64_t>(counters.waiting_series);
    const double busy_us = counters.copy_in_us + counters.run_us + counters.copy_out_us;
    // Lanes run batches in parallel.
    const double each_ms =
        counters.series == 0 ? 0 : busy_us / 1000 / static_cast<double>(counters.series) / model.lanes;
    wait_ms_ = static_cast<double>(waiting_) * each_ms;
  }

  const double max_wait_ms_;
  const ServedModel* seen_ = nullptr;
  Clock::time_point at_;
  std::int64_t waiting_ = 0;
  double wait_ms_ = 0;
};

}  // namespace tft::server

// Estimates whether a request can run in time. If it cannot, it is refused at once, before its body is read.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <string>

#include "server/http_error.h"
#include "server/run_time.h"
#include "server/served_model.h"

namespace tft::server {

/// Observes the queue of the current model. Used by one thread.
class Pressure {
 public:
  explicit Pressure(std::int64_t max_wait_ms) : max_wait_ms_(static_cast<double>(max_wait_ms)) {}

  /// Whether the queue is full, or its wait too long.
  bool is_full(const ServedModel& model) {
    look(model);
    return is_late(model, max_wait_ms_);
  }

  /// Throws HTTP_OVERLOADED with the time after which the queue should have room.
  void refuse_when_late(const ServedModel& model, double within_ms) {
    look(model);
    if (!is_late(model, within_ms)) return;
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

  /// The part of the time allowed that the estimate may be: without room for its error, many would wait in
  /// vain.
  static constexpr double kCertain = 0.9;

  bool is_late(const ServedModel& model, double within_ms) const {
    return waiting_ >= model.queue_limit || wait_ms_ > within_ms * kCertain;
  }

  void look(const ServedModel& model) {
    const auto now = Clock::now();
    if (seen_ == &model && now - at_ < kFresh) return;
    at_ = now;
    const Counters counters = model.engine->counters();
    // A model that was loaded later may have the same address.
    if (seen_ != &model || counters.series < series_) run_time_ = RunTime(model.lanes);
    seen_ = &model;
    series_ = counters.series;
    waiting_ = static_cast<std::int64_t>(counters.waiting_series);
    const double busy_ms = (counters.copy_in_us + counters.run_us + counters.copy_out_us) / 1000;
    const double now_ms = std::chrono::duration<double, std::milli>(now.time_since_epoch()).count();
    wait_ms_ = static_cast<double>(waiting_) *
               run_time_.observe(now_ms, {busy_ms, counters.series, counters.waiting_series});
  }

  const double max_wait_ms_;
  const ServedModel* seen_ = nullptr;
  Clock::time_point at_;
  RunTime run_time_{1};
  std::uint64_t series_ = 0;
  std::int64_t waiting_ = 0;
  double wait_ms_ = 0;
};

}  // namespace tft::server

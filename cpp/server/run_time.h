// Estimates the time that an engine takes for each series, from the forecasts of the last moments, as
// src/service/admission/run-time.ts does and by the same numbers. An average since the start would be too
// short under overload, when the threads that refuse requests take processor time from those that forecast.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tft::server {

/// The totals of an engine since its start.
struct EngineTotals {
  double busy_ms = 0;
  std::uint64_t series = 0;
  std::uint64_t waiting = 0;
};

/// The estimate for one engine.
class RunTime {
 public:
  /// `lanes`: the number of batches that run in parallel.
  explicit RunTime(int lanes) : lanes_(lanes) {}

  /// Call it while requests arrive. Returns the milliseconds that all lanes together take for each series; 0
  /// before any has run.
  double observe(double now_ms, const EngineTotals& totals) {
    is_backlog_ = is_backlog_ && totals.waiting > 0 && now_ms - last_at_ <= kCloseMs;
    last_at_ = now_ms;
    const double elapsed_ms = now_ms - begin_at_;
    const auto series = static_cast<double>(totals.series - begin_.series);
    const bool is_first = each_ms_ == 0 && series > 0;
    if (is_first || (elapsed_ms >= kWindowMs && series >= kWindowSeries)) {
      const double run_ms = (totals.busy_ms - begin_.busy_ms) / lanes_;
      // With a backlog the time between runs counts too.
      const double each_ms = (is_backlog_ ? std::max(run_ms, elapsed_ms) : run_ms) / series;
      each_ms_ += (is_first ? 1 : kNewShare) * (each_ms - each_ms_);
      begin_at_ = now_ms;
      begin_ = totals;
      is_backlog_ = totals.waiting > 0;
    }
    return each_ms_;
  }

 private:
  /// An estimate is renewed after this time and this many series, so that single runs do not count too much.
  static constexpr double kWindowMs = 100;
  static constexpr double kWindowSeries = 16;
  /// The part of a renewed estimate that is new: the queue admits too many by a window that was quick by
  /// chance.
  static constexpr double kNewShare = 0.25;
  /// A queue that is not empty at two observations as close as this has not been empty between them.
  static constexpr double kCloseMs = 50;

  int lanes_;
  double each_ms_ = 0;
  /// When the window began, and the totals at that time.
  double begin_at_ = 0;
  EngineTotals begin_;
  double last_at_ = 0;
  /// Whether something has waited all the time since the window began.
  bool is_backlog_ = false;
};

}  // namespace tft::server

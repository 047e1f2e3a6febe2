// The estimate of a queue's time for each series, by observations whose times the test makes; as
// test/service/run-time.test.ts.
#include "server/run_time.h"

#include <gtest/gtest.h>

namespace tft::server {
namespace {

/// An engine that is observed every 10 ms.
struct Engine {
  explicit Engine(int count) : lanes(count), run_time(count) {}

  /// Forecasts for this long: so many series in 10 ms, of which all lanes ran this part.
  double run(double milliseconds, unsigned series, double busy_part = 1) {
    double each = 0;
    for (const double end = now + milliseconds; now < end;) {
      now += 10;
      totals.series += series;
      totals.busy_ms += 10 * lanes * busy_part;
      each = run_time.observe(now, totals);
    }
    return each;
  }

  int lanes;
  RunTime run_time;
  double now = 1000;
  EngineTotals totals;
};

TEST(RunTime, NothingIsKnownBeforeAForecastHasRunThenTheFirstOneCounts) {
  Engine engine(1);
  EXPECT_EQ(engine.run_time.observe(engine.now, engine.totals), 0);
  EXPECT_EQ(engine.run(10, 1), 10);
}

TEST(RunTime, SeveralLanesShareTheSeries) { EXPECT_NEAR(Engine(4).run(1000, 20), 0.5, 0.01); }

TEST(RunTime, TheLastMomentsCountNotAllSinceTheStart) {
  Engine engine(2);
  EXPECT_NEAR(engine.run(60'000, 10), 1, 0.01);
  EXPECT_NEAR(engine.run(10'000, 5), 2, 0.01);
  EXPECT_NEAR(engine.run(10'000, 10), 1, 0.01);
}

TEST(RunTime, WithAQueueThatIsNeverEmptyTheTimeBetweenTheRunsCountsToo) {
  Engine engine(1);
  EXPECT_NEAR(engine.run(10'000, 10, 0.5), 0.5, 0.01);
  engine.totals.waiting = 100;
  EXPECT_NEAR(engine.run(10'000, 10, 0.5), 1, 0.01);
}

TEST(RunTime, APauseWithoutRequestsIsNotTakenForSlowness) {
  Engine engine(1);
  engine.totals.waiting = 5;
  EXPECT_NEAR(engine.run(1000, 10), 1, 0.01);
  engine.now += 60'000;
  engine.totals.series += 16;
  engine.totals.busy_ms += 16;
  EXPECT_NEAR(engine.run_time.observe(engine.now, engine.totals), 1, 0.01);
}

}  // namespace
}  // namespace tft::server

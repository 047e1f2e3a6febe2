// Injects failures of CUDA and TensorRT one by one: each request ends once and with a code, nothing hangs,
// and everything is freed.
#include <array>
#include <atomic>
#include <cstring>
#include <deque>
#include <thread>

#include "support.h"
#include "tft/tensorrt.h"

namespace tft::testing {
namespace {

using Faults = OverDoubles;

const char* const functions[] = {"cuInit",
                                 "cuDriverGetVersion",
                                 "cuDeviceGetCount",
                                 "cuDeviceGet",
                                 "cuDeviceGetName",
                                 "cuDeviceGetAttribute",
                                 "cuDeviceTotalMem_v2",
                                 "cuDevicePrimaryCtxRetain",
                                 "cuDevicePrimaryCtxRelease_v2",
                                 "cuCtxPushCurrent_v2",
                                 "cuCtxPopCurrent_v2",
                                 "cuMemGetInfo_v2",
                                 "cuMemAlloc_v2",
                                 "cuMemFree_v2",
                                 "cuMemHostAlloc",
                                 "cuMemFreeHost",
                                 "cuMemsetD8Async",
                                 "cuMemcpyHtoDAsync_v2",
                                 "cuMemcpyDtoHAsync_v2",
                                 "cuStreamCreate",
                                 "cuStreamDestroy_v2",
                                 "cuStreamSynchronize",
                                 "cuStreamBeginCapture_v2",
                                 "cuStreamEndCapture",
                                 "cuEventCreate",
                                 "cuEventDestroy_v2",
                                 "cuEventRecord",
                                 "cuEventQuery",
                                 "cuEventSynchronize",
                                 "cuEventElapsedTime",
                                 "cuGraphInstantiateWithFlags",
                                 "cuGraphDestroy",
                                 "cuGraphExecDestroy",
                                 "cuGraphLaunch",
                                 "createInferRuntime_INTERNAL",
                                 "deserializeCudaEngine",
                                 "createExecutionContext",
                                 "setOptimizationProfileAsync",
                                 "setDeviceMemoryV2",
                                 "setInputShape",
                                 "setTensorAddress",
                                 "enqueueV3",
                                 "run:copy",
                                 "run:memset",
                                 "run:model"};

constexpr std::array codes = {2, 700, 999};

class FaultRun : public OverDoubles {
 public:
  void TestBody() override {}

  /// Loads, predicts in every way and closes, with the nth call of a function failing. Returns whether that
  /// call was made.
  static bool run(const doubles::Plan& plan, const std::string& function, int nth, int code) {
    SCOPED_TRACE(function + " call " + std::to_string(nth) + " code " + std::to_string(code));
    double_reset();
    double_set("devices", 2);
    double_fail(function.c_str(), nth, code);
    use(plan);
    const bool fired = double_faults_fired() > 0;
    expect_clean();
    return fired;
  }

 private:
  static void use(const doubles::Plan& plan) {
    EngineOptions options;
    options.libraries = doubles_only();
    options.devices = {0, 1};
    options.lanes = 1;
    const std::string bytes = bytes_of(plan);
    auto loaded = load_tensorrt(as_bytes(bytes), shape_of(plan), options);
    if (!loaded.ok()) return check_error(loaded.error());
    auto engine = std::move(loaded).value();
    for (std::uint32_t round = 0; round < 4; ++round) {
      std::deque<Series> series;
      std::deque<Ending> endings;
      for (std::uint32_t i = 0; i < 4; ++i) {
        series.emplace_back(plan, i == 3 ? 6 : 1 + static_cast<int>(i), round * 10 + i);
        endings.emplace_back();
        const auto accepted = submit(*engine, series.back(), endings.back());
        if (accepted.ok()) continue;
        check_error(accepted.error());
        series.pop_back();
        endings.pop_back();
      }
      for (std::size_t i = 0; i < endings.size(); ++i) {
        const auto result = endings[i].wait();
        if (result.ok()) {
          EXPECT_EQ(series[i].difference(), "");
        } else {
          check_error(result.error());
        }
      }
      Series blocking(plan, 3, round);
      const auto result = engine->predict(blocking.part().inputs, 3, blocking.out.data());
      EXPECT_EQ(result.ok() ? blocking.difference() : "", "");
    }
    engine->close();
    const Counters counters = engine->counters();
    EXPECT_EQ(counters.accepted,
              counters.succeeded + counters.failed + counters.cancelled + counters.expired);
    EXPECT_EQ(counters.waiting_series, 0u);
    EXPECT_EQ(counters.running_batches, 0u);
  }
};

// CI runs each function's first calls and a seeded sample of the later ones; TFT_TEST_ALL_FAULTS=1 runs every
// call.
TEST_F(Faults, EveryFailureEndsWithACodeAndFreesEverything) {
  const doubles::Plan plan = small_plan({2, 4});
  const bool all = rounds("TFT_TEST_ALL_FAULTS", 0) != 0;
  int runs = 0;
  std::uint32_t random = static_cast<std::uint32_t>(rounds("TFT_TEST_SEED", 1));
  for (const char* function : functions) {
    bool ever = false;
    for (const int code : codes) {
      for (int nth = 1;;) {
        ++runs;
        if (!FaultRun::run(plan, function, nth, code)) break;
        ever = true;
        if (HasFailure()) return;
        random = random * 1664525u + 1013904223u;  // Numerical Recipes
        // The number of polls for a run's end is random, so a sample of those calls is enough.
        const bool every = all && std::strcmp(function, "cuEventQuery") != 0;
        nth += every || nth < 4 ? 1 : 1 + static_cast<int>(random >> 16) % (2 * nth);
      }
    }
    if (!ever) std::printf("never called: %s\n", function);
  }
  std::printf("%d faulty runs\n", runs);
  double_reset();
}

TEST_F(Faults, AFailedRunFailsItsOwnRequestsOnly) {
  const doubles::Plan plan = small_plan({4});
  const auto engine = loaded(plan);
  ASSERT_NE(engine, nullptr);
  double_fail("enqueueV3", 1, 1);
  Series series(plan, 2, 1);
  EXPECT_EQ(code_of(engine->predict(series.part().inputs, 2, series.out.data())), "ERR_TFT_RUN");
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(code_of(engine->predict(series.part().inputs, 2, series.out.data())), "");
    EXPECT_EQ(series.difference(), "");
  }
}

TEST_F(Faults, ALostDeviceFailsAllRequestsAndTheErrorSaysToRestartTheProcess) {
  double_set("run_us", 5000);
  const doubles::Plan plan = small_plan({2});
  const auto engine = loaded(plan);
  ASSERT_NE(engine, nullptr);
  Crowd crowd(*engine, plan, 30, 2);
  double_lose_device(0, 719);
  int lost = 0;
  for (Ending& ending : crowd.endings) {
    const auto result = ending.wait();
    if (result.ok()) continue;
    ++lost;
    EXPECT_EQ(code_name(result.error().code), "ERR_TFT_DEVICE_LOST");
    EXPECT_NE(result.error().message.find("restart"), std::string::npos) << result.error().message;
  }
  EXPECT_GT(lost, 20);
  Series late(plan, 1, 1);
  Ending ending;
  EXPECT_EQ(code_of(submit(*engine, late, ending)), "ERR_TFT_DEVICE_LOST");
  EXPECT_EQ(code_of(engine->predict(late.part().inputs, 1, late.out.data())), "ERR_TFT_DEVICE_LOST");
}

TEST_F(Faults, AnOutOfMemoryErrorNamesTheNeededAndTheFreeMemory) {
  const doubles::Plan plan = small_plan({8});
  double_set("memory", static_cast<std::int64_t>(plan.weights) + 8000);
  const auto engine = load(plan);
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(code_name(engine.error().code), "ERR_TFT_OUT_OF_MEMORY") << engine.error().message;
  EXPECT_NE(engine.error().message.find_first_of("0123456789"), std::string::npos) << engine.error().message;
  EXPECT_NE(engine.error().message.find("free"), std::string::npos) << engine.error().message;
  expect_clean();
  double_set("memory", static_cast<std::int64_t>(plan.weights) - 1);
  EXPECT_EQ(code_of(load(plan)), "ERR_TFT_OUT_OF_MEMORY") << "no room for the plan itself";
}

}  // namespace
}  // namespace tft::testing

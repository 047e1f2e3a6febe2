// Measuring a plan over the doubles: the reported times, cancellation and failures.
#include "tft/measure.h"

#include <thread>

#include "support.h"

namespace tft::testing {
namespace {

class Measures : public OverDoubles {
 protected:
  static Result<Measured> run(MeasureOptions options, const doubles::Plan& plan = small_plan({2, 8})) {
    options.libraries = doubles_only();
    options.batch = options.batch == 1 ? 3 : options.batch;
    const std::string bytes = bytes_of(plan);
    return measure(as_bytes(bytes), options);
  }
  /// Measures briefly, unless the options say otherwise.
  static MeasureOptions brief() {
    MeasureOptions options;
    options.warm_up_ms = 0;
    options.duration_ms = 0;
    return options;
  }
};

TEST_F(Measures, EachIterationHasItsTimes) {
  double_set("run_us", 2000);
  double_set("copy_us", 300);
  const auto measured = run(brief());
  ASSERT_EQ(code_of(measured), "") << measured.error().message;
  EXPECT_EQ(measured->batch, 3);
  EXPECT_EQ(measured->samples.size(), 10u);
  EXPECT_EQ(measured->samples.front().start_ms, 0);
  EXPECT_EQ(measured->samples.back().end_ms, measured->wall_ms);
  double before = -1;
  for (const Sample& sample : measured->samples) {
    EXPECT_GT(sample.start_ms, before) << "in order of start";
    before = sample.start_ms;
    EXPECT_GT(sample.run_ms, 0);
    EXPECT_GT(sample.copy_in_ms, 0);
    EXPECT_GT(sample.copy_out_ms, 0);
    EXPECT_GE(sample.enqueue_ms, 0);
    EXPECT_DOUBLE_EQ(sample.latency_ms, sample.copy_in_ms + sample.run_ms + sample.copy_out_ms);
    EXPECT_GE(sample.end_ms, sample.start_ms + 0.99 * sample.latency_ms);
  }
  EXPECT_FALSE(measured->graph);
  EXPECT_TRUE(measured->layers.empty());
}

TEST_F(Measures, RunsAtLeastTheIterationsAndTheDuration) {
  double_set("run_us", 1000);
  MeasureOptions options = brief();
  options.iterations = 1;
  options.duration_ms = 60;
  const auto longer = run(options);
  ASSERT_EQ(code_of(longer), "");
  EXPECT_GT(longer->samples.size(), 1u);
  options = brief();
  options.iterations = 25;
  EXPECT_EQ(run(options)->samples.size(), 25u);
}

TEST_F(Measures, StreamsShareTheIterations) {
  MeasureOptions options = brief();
  options.streams = 3;
  options.iterations = 12;
  options.spin_wait = true;
  const auto measured = run(options);
  ASSERT_EQ(code_of(measured), "");
  EXPECT_EQ(measured->samples.size(), 12u);
  EXPECT_EQ(double_created("execution context"), 3);
}

TEST_F(Measures, WithoutTransfersNothingIsCopied) {
  MeasureOptions options = brief();
  options.data_transfers = false;
  const auto measured = run(options);
  ASSERT_EQ(code_of(measured), "");
  EXPECT_EQ(double_calls("cuMemcpyHtoDAsync_v2"), 4) << "the inputs, once";
  EXPECT_EQ(double_calls("cuMemcpyDtoHAsync_v2"), 0);
  for (const Sample& sample : measured->samples) {
    EXPECT_EQ(sample.copy_in_ms + sample.copy_out_ms, 0);
    EXPECT_EQ(sample.latency_ms, sample.run_ms);
  }
}

TEST_F(Measures, AGraphRunsTheComputation) {
  MeasureOptions options = brief();
  options.cuda_graph = true;
  options.streams = 2;
  const auto measured = run(options);
  ASSERT_EQ(code_of(measured), "");
  EXPECT_TRUE(measured->graph);
  EXPECT_EQ(measured->graph_nodes, 1u) << "the double's run is one";
  EXPECT_EQ(double_calls("cuGraphLaunch"), 10);
}

TEST_F(Measures, RunsWithoutAGraphIfCapturingFailsAndTheLogSaysSo) {
  MeasureOptions options = brief();
  options.cuda_graph = true;
  options.streams = 2;
  std::string warning;
  options.log = [&](LogLevel level, const std::string& text) {
    if (level == LogLevel::WARN) warning = text;
  };
  double_fail("cuStreamBeginCapture_v2", 2, 900);
  const auto measured = run(options);
  ASSERT_EQ(code_of(measured), "");
  EXPECT_FALSE(measured->graph);
  EXPECT_EQ(double_calls("cuGraphLaunch"), 0);
  EXPECT_NE(warning.find("no CUDA graph"), std::string::npos) << warning;
}

TEST_F(Measures, LayersAreTimedInASeparateRun) {
  MeasureOptions options = brief();
  options.cuda_graph = true;
  options.layer_profile = true;
  const auto measured = run(options);
  ASSERT_EQ(code_of(measured), "");
  ASSERT_EQ(measured->layers.size(), 2u);
  EXPECT_EQ(measured->layers[0].name, "weighted sums");
  EXPECT_DOUBLE_EQ(measured->layers[0].average_ms, 0.25);
  EXPECT_EQ(measured->layers[1].name, "mix");
  EXPECT_DOUBLE_EQ(measured->layers[1].average_ms, 0.5);
  EXPECT_EQ(measured->layers[1].calls, 20);
  EXPECT_TRUE(measured->graph) << "the samples must still be of graphs";
}

TEST_F(Measures, ABatchOutsideAllProfilesIsRefusedAndTheErrorNamesTheirRanges) {
  MeasureOptions options = brief();
  options.batch = 9;
  const auto measured = run(options);
  EXPECT_EQ(code_of(measured), "ERR_TFT_OPTION");
  EXPECT_NE(measured.error().message.find("1 to 2, 1 to 8"), std::string::npos) << measured.error().message;
  options.batch = 1 << 30;
  EXPECT_EQ(code_of(run(options)), "ERR_TFT_OPTION");
  options = brief();
  options.streams = 65;
  EXPECT_EQ(code_of(run(options)), "ERR_TFT_OPTION");
}

TEST_F(Measures, EndsSoonAfterItIsCancelled) {
  double_set("run_us", 500);
  MeasureOptions options = brief();
  options.duration_ms = 1e9;
  options.streams = 2;
  for (const int milliseconds : {0, 5, 30}) {
    std::stop_source source;
    options.stop = source.get_token();
    std::thread caller([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
      source.request_stop();
    });
    EXPECT_EQ(code_of(run(options)), "ERR_TFT_ABORTED");
    caller.join();
  }
}

TEST_F(Measures, EveryFailureEndsWithACodeAndFreesEverything) {
  MeasureOptions options = brief();
  options.streams = 2;
  options.iterations = 4;
  options.cuda_graph = true;
  options.layer_profile = true;
  for (const char* function : {"cuCtxPushCurrent_v2",
                               "cuMemAlloc_v2",
                               "cuMemHostAlloc",
                               "cuStreamCreate",
                               "cuStreamSynchronize",
                               "cuStreamBeginCapture_v2",
                               "cuStreamEndCapture",
                               "cuGraphInstantiateWithFlags",
                               "cuGraphLaunch",
                               "cuEventCreate",
                               "cuEventRecord",
                               "cuEventSynchronize",
                               "cuEventElapsedTime",
                               "cuMemcpyHtoDAsync_v2",
                               "cuMemcpyDtoHAsync_v2",
                               "createExecutionContext",
                               "setOptimizationProfileAsync",
                               "setDeviceMemoryV2",
                               "setInputShape",
                               "setTensorAddress",
                               "enqueueV3",
                               "setProfiler",
                               "run:model",
                               "run:copy"}) {
    for (const int code : {2, 700}) {
      for (int nth = 1;; nth += nth < 3 ? 1 : nth) {
        SCOPED_TRACE(std::string(function) + " call " + std::to_string(nth) + " code " +
                     std::to_string(code));
        double_reset();
        double_fail(function, nth, code);
        const auto measured = run(options);
        if (!measured.ok()) check_error(measured.error());
        expect_clean();
        if (HasFailure()) return;
        if (double_faults_fired() == 0) break;
      }
    }
  }
  double_reset();
}

}  // namespace
}  // namespace tft::testing

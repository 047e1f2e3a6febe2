// The engine over the doubles: right results for every kind of use.
#include <algorithm>
#include <atomic>
#include <deque>
#include <thread>

#include "support.h"
#include "tft/tensorrt.h"

namespace tft::testing {
namespace {

using Engine = OverDoubles;
using Clock = Request::Clock;

TEST_F(Engine, ForecastsEveryBatchFromOneToBeyondTheMaximum) {
  const doubles::Plan plan = small_plan({8});
  for (const bool graphs : {true, false}) {
    EngineOptions options;
    options.cuda_graphs = graphs;
    const auto engine = loaded(plan, options);
    ASSERT_NE(engine, nullptr);
    EXPECT_EQ(engine->info().max_batch, 8);
    for (int round = 0; round < 3;
         ++round) {  // the first run is plain, the second may be captured, the third replays
      for (int batch = 1; batch <= 21; ++batch) {
        Series series(plan, batch, static_cast<std::uint32_t>(batch + 100 * round));
        const auto timing = engine->predict(series.part().inputs, batch, series.out.data());
        ASSERT_TRUE(timing.ok()) << timing.error().message;
        EXPECT_EQ(series.difference(), "") << "batch " << batch;
      }
    }
    const Counters counters = engine->counters();
    EXPECT_EQ(counters.series, 3u * 21 * 22 / 2);
    EXPECT_EQ(counters.succeeded, 63u);
    EXPECT_EQ(counters.graph_launches > 0, graphs);
    EXPECT_EQ(counters.capture_failures, 0u);
    EXPECT_EQ(counters.waiting_series, 0u);
    EXPECT_EQ(counters.running_batches, 0u);
  }
}

TEST_F(Engine, PacksSeparateRequestsIntoBatches) {
  const doubles::Plan plan = small_plan({8});
  const auto engine = loaded(plan);
  ASSERT_NE(engine, nullptr);
  std::deque<Series> series;
  std::vector<Part> parts;
  for (int i = 0; i < 5; ++i)
    parts.push_back(series.emplace_back(plan, i + 1, static_cast<std::uint32_t>(i)).part());
  const auto timing = engine->predict_batch(parts);
  ASSERT_TRUE(timing.ok()) << timing.error().message;
  for (const Series& one : series) EXPECT_EQ(one.difference(), "");
  EXPECT_LE(engine->counters().batches, 3u) << "15 series fit two runs of 8";
}

TEST_F(Engine, ServesManyCallersOnOneToEightLanes) {
  const doubles::Plan plan = small_plan({8});
  for (int lanes = 1; lanes <= 8; ++lanes) {
    double_reset();
    double_set("jitter_us", 200);
    EngineOptions options;
    options.lanes = lanes;
    const auto engine = loaded(plan, options);
    ASSERT_NE(engine, nullptr);
    std::atomic<int> wrong = 0;
    std::vector<std::thread> callers;
    for (std::uint32_t caller = 0; caller < 6; ++caller) {
      callers.emplace_back([&, caller] {
        for (std::uint32_t i = 0; i < 12; ++i) {
          Series series(plan, static_cast<int>(1 + (caller * 7 + i * 3) % 11), caller * 1000 + i);
          const auto timing = engine->predict(series.part().inputs, series.count, series.out.data());
          if (!timing.ok() || !series.difference().empty()) ++wrong;
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
    EXPECT_EQ(wrong, 0) << lanes << " lanes";
    EXPECT_EQ(engine->counters().succeeded, 72u);
  }
}

TEST_F(Engine, UsesTwoDevices) {
  double_set("devices", 2);
  double_set("run_us", 2000);
  const doubles::Plan plan = small_plan({4});
  EngineOptions options;
  options.devices = {0, 1};
  options.lanes = 2;
  auto engine = loaded(plan, options);
  ASSERT_NE(engine, nullptr);
  ASSERT_EQ(engine->info().devices.size(), 2u);
  std::deque<Series> series;
  std::deque<Ending> endings;
  for (std::uint32_t i = 0; i < 40; ++i) {
    ASSERT_EQ(code_of(submit(*engine, series.emplace_back(plan, 2, i), endings.emplace_back())), "");
  }
  for (Ending& ending : endings) EXPECT_EQ(code_of(ending.wait()), "");
  for (const Series& one : series) EXPECT_EQ(one.difference(), "");
  engine.reset();
  EXPECT_EQ(double_created("context"), double_freed("context"));
}

TEST_F(Engine, LeavesTheCallersArraysAloneAfterSubmit) {
  double_set("copy_us", 2000);
  const doubles::Plan plan = small_plan({4});
  const auto engine = loaded(plan);
  ASSERT_NE(engine, nullptr);
  std::deque<Series> series;
  std::deque<Ending> endings;
  for (std::uint32_t i = 0; i < 30; ++i) {
    ASSERT_EQ(code_of(submit(*engine, series.emplace_back(plan, 1 + static_cast<int>(i % 9), i),
                             endings.emplace_back())),
              "");
    series.back().spoil_inputs();
  }
  for (Ending& ending : endings) EXPECT_EQ(code_of(ending.wait()), "");
  for (const Series& one : series) EXPECT_EQ(one.difference(), "");
}

TEST_F(Engine, TimesEachStageByCudasEvents) {
  double_set("copy_us", 3000);
  double_set("run_us", 10000);
  const doubles::Plan plan = small_plan({4});
  const auto engine = loaded(plan);
  ASSERT_NE(engine, nullptr);
  Series series(plan, 3, 1);
  const auto timing = engine->predict(series.part().inputs, 3, series.out.data());
  ASSERT_TRUE(timing.ok());
  EXPECT_GE(timing->copy_in_us, 4 * 3000 * 0.99);  // four inputs
  EXPECT_GE(timing->run_us, 10000 * 0.99);
  EXPECT_GE(timing->copy_out_us, 3000 * 0.99);
  EXPECT_EQ(timing->batch, 3);
  EXPECT_EQ(timing->bucket, 4);
}

TEST_F(Engine, TheMaximumBatchIsThePlansOrASmallerOption) {
  const doubles::Plan plan = small_plan({1, 4, 16});
  const auto engine = loaded(plan);
  ASSERT_NE(engine, nullptr);
  EXPECT_EQ(engine->info().max_batch, 16);
  for (const int batch : {1, 3, 4, 9, 16, 17, 40}) {
    Series series(plan, batch, static_cast<std::uint32_t>(batch));
    ASSERT_TRUE(engine->predict(series.part().inputs, batch, series.out.data()).ok());
    EXPECT_EQ(series.difference(), "") << batch;
  }
  EngineOptions options;
  options.max_batch = 5;
  const auto smaller = loaded(plan, options);
  ASSERT_NE(smaller, nullptr);
  EXPECT_EQ(smaller->info().max_batch, 5);
  Series series(plan, 13, 1);
  ASSERT_TRUE(smaller->predict(series.part().inputs, 13, series.out.data()).ok());
  EXPECT_EQ(series.difference(), "");
  options.max_batch = 17;
  EXPECT_EQ(code_of(load(plan, options)), "ERR_TFT_OPTION");
}

TEST_F(Engine, ActivationMemoryIsThatOfTheLargestBucket) {
  const doubles::Plan plan = small_plan({16});
  const auto whole = loaded(plan);
  ASSERT_NE(whole, nullptr);
  EXPECT_EQ(whole->info().devices.at(0).activation_bytes, 16 * plan.activation);
  EngineOptions options;
  options.max_batch = 5;
  const auto smaller = loaded(plan, options);
  ASSERT_NE(smaller, nullptr);
  EXPECT_EQ(smaller->info().devices.at(0).activation_bytes, 5 * plan.activation);
}

TEST_F(Engine, MakesAContextAtABucketsFirstRunAndPreparesTheSmallestAndTheLargest) {
  const doubles::Plan plan = small_plan({8});
  EngineOptions options;
  options.lanes = 2;
  const auto engine = loaded(plan, options);
  ASSERT_NE(engine, nullptr);
  const auto contexts = [] { return double_calls("createExecutionContext"); };
  Series one(plan, 1, 1);
  ASSERT_TRUE(engine->predict(one.part().inputs, 1, one.out.data()).ok());
  EXPECT_EQ(one.difference(), "");
  // Buckets for one series and for the maximum, on each lane; no request needs the others.
  while (contexts() < 4) std::this_thread::yield();
  EXPECT_EQ(contexts(), 4);
  for (int round = 0; round < 5; ++round) {
    Series three(plan, 3, 2);
    ASSERT_TRUE(engine->predict(three.part().inputs, 3, three.out.data()).ok());
    EXPECT_EQ(three.difference(), "");
  }
  EXPECT_LE(contexts(), 6);
  ASSERT_TRUE(engine->warmup().ok());
  EXPECT_EQ(contexts(), 8) << "four buckets on two lanes";
  ASSERT_TRUE(engine->warmup().ok());
  EXPECT_EQ(contexts(), 8);
}

TEST_F(Engine, AContextThatCannotBeMadeFailsTheRequestThatNeedsIt) {
  const doubles::Plan plan = small_plan({8});
  const auto engine = loaded(plan);
  ASSERT_NE(engine, nullptr);
  double_fail("createExecutionContext", 1, 1);
  Series series(plan, 2, 1);
  int refused = 0;
  for (int i = 0; i < 3; ++i) {
    const auto code = code_of(engine->predict(series.part().inputs, 2, series.out.data()));
    refused += code == "ERR_TFT_PLAN_INVALID" ? 1 : 0;
    EXPECT_EQ(code.empty() ? series.difference() : "", "");
  }
  // The first context was this request's or, on a slow machine, one that was prepared in advance.
  EXPECT_LE(refused, 1);
  EXPECT_EQ(double_faults_fired(), 1);
}

TEST_F(Engine, LaunchesGraphsFromTheFirstForecastAfterWarmUp) {
  const doubles::Plan plan = small_plan({8});
  const auto engine = loaded(plan);
  ASSERT_NE(engine, nullptr);
  ASSERT_TRUE(engine->warmup().ok());
  const Counters warm = engine->counters();
  EXPECT_EQ(warm.captures, engine->info().buckets.size() * 2) << "each bucket on each of two lanes";
  Series series(plan, 3, 1);
  ASSERT_TRUE(engine->predict(series.part().inputs, 3, series.out.data()).ok());
  EXPECT_EQ(series.difference(), "");
  EXPECT_EQ(engine->counters().graph_launches, warm.graph_launches + 1);
}

TEST_F(Engine, RunsWithoutGraphsIfCapturingFails) {
  const doubles::Plan plan = small_plan({4});
  for (const char* function :
       {"cuStreamBeginCapture_v2", "cuStreamEndCapture", "cuGraphInstantiateWithFlags"}) {
    double_reset();
    for (int i = 1; i <= 100; ++i) double_fail(function, i, 900);
    std::atomic<int> warnings = 0;
    EngineOptions options;
    options.log = [&](LogLevel level, const std::string&) { warnings += level == LogLevel::WARN ? 1 : 0; };
    {
      const auto engine = loaded(plan, options);
      ASSERT_NE(engine, nullptr);
      for (std::uint32_t i = 0; i < 12; ++i) {
        Series series(plan, 1 + static_cast<int>(i % 4), i);
        ASSERT_TRUE(engine->predict(series.part().inputs, series.count, series.out.data()).ok());
        EXPECT_EQ(series.difference(), "");
      }
      EXPECT_EQ(engine->counters().graph_launches, 0u);
      EXPECT_GT(engine->counters().capture_failures, 0u);
    }
    EXPECT_EQ(warnings, 1) << function;
    expect_clean();
  }
}

TEST_F(Engine, RunsOnTheLeanRuntime) {
  const doubles::Plan plan = small_plan({4});
  const std::string bytes = bytes_of(plan);
  EngineOptions options;
  options.libraries = doubles_only();
  options.libraries.tensorrt_path = tensorrt_double(10, true);
  const auto engine = load_tensorrt(as_bytes(bytes), shape_of(plan), options);
  ASSERT_TRUE(engine.ok()) << engine.error().message;
  EXPECT_TRUE((*engine)->info().lean);
  Series series(plan, 3, 1);
  ASSERT_TRUE((*engine)->predict(series.part().inputs, 3, series.out.data()).ok());
  EXPECT_EQ(series.difference(), "");
}

TEST_F(Engine, RefusesOptionsOutOfRange) {
  const doubles::Plan plan = small_plan({4});
  const auto refused = [&](auto change) {
    EngineOptions options;
    change(options);
    return code_of(load(plan, options));
  };
  EXPECT_EQ(refused([](EngineOptions& options) { options.lanes = 0; }), "ERR_TFT_OPTION");
  EXPECT_EQ(refused([](EngineOptions& options) { options.lanes = 65; }), "ERR_TFT_OPTION");
  EXPECT_EQ(refused([](EngineOptions& options) { options.queue_limit = 0; }), "ERR_TFT_OPTION");
  EXPECT_EQ(refused([](EngineOptions& options) { options.devices = {}; }), "ERR_TFT_OPTION");
  EXPECT_EQ(refused([](EngineOptions& options) { options.devices = {1}; }), "ERR_TFT_OPTION");
  EXPECT_EQ(refused([](EngineOptions& options) { options.devices = {0, 0}; }), "ERR_TFT_OPTION");
  EXPECT_EQ(refused([](EngineOptions& options) { options.max_batch = -1; }), "ERR_TFT_OPTION");
}

/// A small plan with this many inputs and outputs, of both types and several sizes.
doubles::Plan plan_of(int inputs, int outputs) {
  doubles::Plan plan = small_plan({8});
  plan.tensors.clear();
  plan.profiles = {{}};
  for (int i = 0; i < inputs; ++i) {
    doubles::PlanTensor tensor{
        "in_" + std::to_string(i), true, i % 3 == 1 ? "int32" : "float32", {-1, 3 + i, 2}};
    for (std::size_t bound = 0; bound < 3; ++bound) {
      auto& dims = plan.profiles[0][tensor.name][bound];
      dims = tensor.dims;
      dims[0] = bound == 0 ? 1 : 8;
    }
    plan.tensors.push_back(std::move(tensor));
  }
  for (int i = 0; i < outputs; ++i)
    plan.tensors.push_back({"out_" + std::to_string(i), false, "float32", {-1, 5 + 70 * i}});
  return plan;
}

TEST_F(Engine, ServesModelsOfAnyNumberOfInputsAndOutputs) {
  for (const auto& [inputs, outputs] : {std::pair(1, 1), {1, 3}, {6, 2}, {23, 1}}) {
    SCOPED_TRACE(std::to_string(inputs) + " inputs, " + std::to_string(outputs) + " outputs");
    const doubles::Plan plan = plan_of(inputs, outputs);
    const auto engine = loaded(plan);
    ASSERT_NE(engine, nullptr);
    ASSERT_TRUE(engine->warmup().ok());
    for (const int batch : {1, 5, 19}) {
      Series alone(plan, batch, 1);
      ASSERT_TRUE(engine->predict(alone.part()).ok());
      EXPECT_EQ(alone.difference(), "");
    }
    // More batches than fit in pinned memory, several parts per request; inputs change after submit.
    std::deque<Series> series;
    std::deque<Ending> endings;
    for (std::uint32_t i = 0; i < 60; ++i) {
      const std::size_t first = series.size();
      for (std::uint32_t part = 0; part <= i % 3; ++part)
        series.emplace_back(plan, static_cast<int>(1 + (i + part) % 4), 3 * i + part);
      std::vector<Part> parts;
      for (std::size_t part = first; part < series.size(); ++part) parts.push_back(series[part].part());
      Request request;
      request.parts = parts;
      request.completion = &Ending::receive;
      request.user = &endings.emplace_back();
      ASSERT_TRUE(engine->submit(request).ok());
      for (std::size_t part = first; part < series.size(); ++part) series[part].spoil_inputs();
    }
    for (Ending& ending : endings) ASSERT_EQ(code_of(ending.wait()), "");
    for (const Series& each : series) EXPECT_EQ(each.difference(), "");
  }
}

TEST_F(Engine, RefusesModelsWithoutInputsOutputsOrSizes) {
  const auto refused = [](auto change) {
    const doubles::Plan plan = small_plan();
    ModelShape shape = shape_of(plan);
    change(shape);
    EngineOptions options;
    options.libraries = doubles_only();
    return code_of(load_tensorrt(as_bytes(bytes_of(plan)), shape, options));
  };
  EXPECT_EQ(refused([](ModelShape& shape) { shape.inputs.clear(); }), "ERR_TFT_OPTION");
  EXPECT_EQ(refused([](ModelShape& shape) { shape.outputs.clear(); }), "ERR_TFT_OPTION");
  EXPECT_EQ(refused([](ModelShape& shape) { shape.inputs[1].item[0] = 0; }), "ERR_TFT_OPTION");
  EXPECT_EQ(refused([](ModelShape& shape) { shape.outputs[0].type = ElementType::INT32; }), "ERR_TFT_OPTION");
  EXPECT_EQ(refused([](ModelShape& shape) { shape.inputs.pop_back(); }), "ERR_TFT_PLAN_MISMATCH");
}

TEST_F(Engine, RefusesMalformedRequests) {
  const doubles::Plan plan = small_plan({4});
  const auto engine = loaded(plan);
  ASSERT_NE(engine, nullptr);
  Series series(plan, 1, 1);
  const Part good = series.part();
  float* const out = good.outputs[0];
  EXPECT_EQ(code_of(engine->predict(good.inputs, 0, out)), "ERR_TFT_OPTION");
  EXPECT_EQ(code_of(engine->predict(good.inputs, 1, nullptr)), "ERR_TFT_OPTION");
  EXPECT_EQ(code_of(engine->predict(good.inputs.first(3), 1, out)), "ERR_TFT_OPTION");
  EXPECT_EQ(code_of(engine->predict({good.inputs, 1, {}})), "ERR_TFT_OPTION");
  std::vector<const void*> without(good.inputs.begin(), good.inputs.end());
  without.back() = nullptr;
  EXPECT_EQ(code_of(engine->predict(without, 1, out)), "ERR_TFT_OPTION");
  EXPECT_EQ(code_of(engine->predict_batch({})), "ERR_TFT_OPTION");
}

}  // namespace
}  // namespace tft::testing

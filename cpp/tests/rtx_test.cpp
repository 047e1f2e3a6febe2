// TensorRT for RTX over its double, where it differs from TensorRT: engines are built for named GPUs without
// any, its networks take no plugins and no choice of types, and kernels that were compiled where a plan runs
// are kept in a run-time cache. engine_test.cpp runs over it too.
#include <cstdlib>
#include <string>
#include <vector>

#include "support.h"
#include "tft/builder.h"
#include "tft/inspect.h"
#include "tft/tensorrt.h"

namespace tft::testing {
namespace {

using Bytes = std::vector<std::byte>;

class Rtx : public OverDoubles {
 protected:
  void TearDown() override {
    OverDoubles::TearDown();
    unsetenv("TFT_DOUBLE_TENSORRT_VERSION");
  }
  static BuildOptions options(std::vector<int> targets = {89}) {
    BuildOptions options;
    options.libraries = doubles_only();
    options.profiles = {{1, 2, 8}};
    options.targets = std::move(targets);
    return options;
  }
  static Result<BuiltPlan> build(const BuildOptions& options,
                                 const std::vector<std::string>& operators = {"Add"}) {
    const TemporaryFile file(onnx_of(small_plan(), operators));
    return build_plan(file.path, shape_of(small_plan()), options);
  }
  static doubles::Plan built(const BuildOptions& options) {
    const auto result = build(options);
    EXPECT_EQ(code_of(result), "") << (result.ok() ? "" : result.error().message);
    if (!result.ok()) return {};
    std::string problem;
    const std::string text(reinterpret_cast<const char*>(result->plan.data()), result->plan.size());
    const auto plan = doubles::read_plan(text, problem);
    EXPECT_TRUE(plan) << problem;
    return plan.value_or(doubles::Plan{});
  }
  static void expect_refusal(const Error& error, ErrorCode code, const std::vector<std::string>& parts) {
    EXPECT_EQ(code_name(error.code), code_name(code)) << error.message;
    for (const std::string& part : parts)
      EXPECT_NE(error.message.find(part), std::string::npos) << error.message;
  }

  /// Loads with a run-time cache and runs every batch; returns what the cache has at the end.
  Bytes run(const doubles::Plan& plan, Bytes cache = {}) {
    EngineOptions with;
    with.runtime_cache = std::move(cache);
    with.log = [this](LogLevel level, const std::string& message) {
      if (level == LogLevel::WARN) warnings += message + "\n";
    };
    const auto engine = loaded(plan, with);
    if (engine == nullptr) return {};
    EXPECT_EQ(code_of(engine->warmup()), "");
    Series series(plan, 5, 3);
    EXPECT_TRUE(engine->predict(series.part().inputs, 5, series.out.data()).ok());
    EXPECT_EQ(series.difference(), "");
    EXPECT_TRUE(engine->info().rtx);
    engine->close();
    return engine->runtime_cache();
  }
  std::string warnings;
};

TEST_F(Rtx, BuildsForSeveralGpusWithoutCuda) {
  const doubles::Plan plan = built(options({86, 120}));
  EXPECT_EQ(plan.targets, (std::vector<int>{86, 120}));
  EXPECT_EQ(plan.gpu, "");
  for (const char* function : {"cuInit", "cuDeviceGetCount", "cuDevicePrimaryCtxRetain"})
    EXPECT_EQ(double_calls(function), 0) << function;
}

TEST_F(Rtx, WithoutTargetsTheGpuHereIsTheTarget) {
  EXPECT_EQ(built(options({})).targets, std::vector<int>{89});
}

TEST_F(Rtx, RewritesEluWhichItsBuilderRefuses) {
  EXPECT_EQ(code_of(build(options(), {"Add", "Elu", "Mul"})), "");
}

TEST_F(Rtx, TakesTheTypesFromTheGraphAlone) {
  for (bool BuildOptions::* const flag : {&BuildOptions::fp16, &BuildOptions::int8}) {
    BuildOptions weak = options();
    weak.strongly_typed = false;
    weak.*flag = true;
    const auto result = build(weak);
    ASSERT_FALSE(result.ok());
    expect_refusal(result.error(), ErrorCode::UNSUPPORTED, {"TensorRT for RTX 1.7", "strongly typed"});
  }
}

TEST_F(Rtx, TakesNoPlugins) {
  BuildOptions with = options();
  with.plugins = {plugins_double(10)};
  const auto result = build(with, {"TftDouble"});
  ASSERT_FALSE(result.ok());
  expect_refusal(result.error(), ErrorCode::UNSUPPORTED, {"takes no plugins", "plugins out"});
  EngineOptions load_with;
  load_with.plugins = with.plugins;
  const auto engine = load(small_plan(), load_with);
  ASSERT_FALSE(engine.ok());
  expect_refusal(engine.error(), ErrorCode::UNSUPPORTED, {"takes no plugins"});
}

TEST_F(Rtx, APlanRunsOnItsTargetsOnly) {
  const doubles::Plan plan = built(options({89, 120}));
  EXPECT_FALSE(run(plan).empty());
  for (const int compute : {86, 90}) {
    double_set("compute", compute);
    const auto engine = load(plan);
    ASSERT_FALSE(engine.ok()) << compute;
    expect_refusal(engine.error(), ErrorCode::PLAN_INVALID, {"compute capability"});
  }
}

TEST_F(Rtx, TensorRTRefusesItsPlansAndItTheirs) {
  const doubles::Plan own = built(options());
  for (const int major : {10, 11}) {
    EngineOptions elsewhere;
    elsewhere.libraries = doubles_only();
    elsewhere.libraries.tensorrt_path = tensorrt_double(major);
    const std::string bytes = bytes_of(own);
    EXPECT_EQ(code_of(load_tensorrt(as_bytes(bytes), shape_of(own), elsewhere)), "ERR_TFT_PLAN_INVALID");
    doubles::Plan theirs = small_plan();
    theirs.version = std::to_string(major) + ".0.0.1";
    EXPECT_EQ(code_of(load(theirs)), "ERR_TFT_PLAN_INVALID");
  }
}

TEST_F(Rtx, TheRunTimeCacheSavesTheNextLoadTheCompiling) {
  const doubles::Plan plan = built(options());
  const Bytes cache = run(plan);
  const auto compiled = double_calls("jit");
  EXPECT_GT(compiled, 0);
  ASSERT_FALSE(cache.empty());
  EXPECT_EQ(run(plan, cache), cache);
  EXPECT_EQ(double_calls("jit"), compiled);
  EXPECT_EQ(warnings, "");
}

TEST_F(Rtx, ARunTimeCacheThatItRefusesIsReplacedAndTheLogSaysSo) {
  const doubles::Plan plan = built(options({86, 89}));
  const Bytes whole = run(plan);
  ASSERT_FALSE(whole.empty());
  const auto refused = [&](const Bytes& cache, const std::string& why) {
    warnings.clear();
    const auto before = double_calls("jit");
    const Bytes replaced = run(plan, cache);
    EXPECT_NE(warnings.find("the run-time cache is ignored"), std::string::npos) << why;
    EXPECT_NE(warnings.find(why), std::string::npos) << warnings;
    EXPECT_GT(double_calls("jit"), before);
    return replaced;
  };
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{8}, whole.size() / 2, whole.size() - 1})
    EXPECT_EQ(refused(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes)), "damaged"),
              whole);
  double_set("compute", 86);
  EXPECT_NE(refused(whole, "another version or GPU"), whole);
  double_set("compute", 89);
  double_set("cuda_version", 12090);
  EXPECT_NE(refused(whole, "newer driver"), whole);
  double_set("cuda_version", 13010);
  warnings.clear();
  run(plan, whole);
  EXPECT_EQ(warnings, "") << "a newer driver takes it";
}

TEST_F(Rtx, AFailingRunTimeCacheStopsNoLoad) {
  const doubles::Plan plan = built(options());
  const Bytes whole = run(plan);
  for (const char* const function : {"createRuntimeCache", "deserialize", "setRuntimeCache", "serialize"}) {
    double_reset();
    double_set("compute", 89);
    double_fail(function, 1, 1);
    run(plan, whole);
    EXPECT_EQ(double_faults_fired(), 1) << function;
    expect_clean();
  }
}

TEST_F(Rtx, KernelsThatCannotBeCompiledFailTheRequest) {
  const doubles::Plan plan = built(options());
  const auto engine = loaded(plan);
  ASSERT_NE(engine, nullptr);
  double_fail("jit", 1, 2);
  Series series(plan, 3, 1);
  const auto timing = engine->predict(series.part().inputs, 3, series.out.data());
  ASSERT_FALSE(timing.ok());
  expect_refusal(timing.error(), ErrorCode::RUN, {"cannot be compiled"});
  EXPECT_TRUE(engine->predict(series.part().inputs, 3, series.out.data()).ok());
  EXPECT_EQ(series.difference(), "");
}

TEST_F(Rtx, AnUnknownTargetIsNamed) {
  const auto result = build(options({90}));
  ASSERT_FALSE(result.ok());
  expect_refusal(result.error(), ErrorCode::OPTION, {"9.0", "8.9"});
}

}  // namespace
}  // namespace tft::testing

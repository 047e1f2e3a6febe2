// Builds plans from ONNX files over the doubles: every option reaches the builder, and every failure or
// cancellation ends with a code and frees everything.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <random>
#include <set>
#include <thread>
#include <type_traits>
#include <utility>

#include "support.h"
#include "tft/builder.h"
#include "tft/inspect.h"
#include "tft/tensorrt.h"

namespace tft::testing {
namespace {

int major() { return rounds("TFT_TEST_TENSORRT", 10); }

class Builds : public OverDoubles {
 protected:
  static BuildOptions with_doubles(BuildOptions options = {}) {
    options.libraries = doubles_only();
    if (options.profiles.size() == 1 && options.profiles[0].max == 32) options.profiles = {{1, 2, 8}};
    return options;
  }
  using Ranges = std::vector<BatchRange>;
  template <class Value>
  static BuildOptions with(Value BuildOptions::* member, std::type_identity_t<Value> value,
                           BuildOptions options = {}) {
    options.*member = std::move(value);
    return options;
  }
  static Result<BuiltPlan> build(const BuildOptions& options = {},
                                 const std::string& onnx = onnx_of(small_plan())) {
    const TemporaryFile file(onnx);
    return build_plan(file.path, shape_of(small_plan()), with_doubles(options));
  }
  /// Expects success; returns what the doubles wrote into the plan.
  static doubles::Plan built(const BuildOptions& options = {}) {
    const auto result = build(options);
    EXPECT_EQ(code_of(result), "") << (result.ok() ? "" : result.error().message);
    if (!result.ok()) return {};
    std::string problem;
    const auto plan = doubles::read_plan(text_of(result->plan), problem);
    EXPECT_TRUE(plan) << problem;
    return plan.value_or(doubles::Plan{});
  }
  static bool has(const doubles::Plan& plan, const std::string& flag) {
    return ("," + plan.flags + ",").find("," + flag + ",") != std::string::npos;
  }
  static std::string text_of(const std::vector<std::byte>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  static void expect_refusal(const Result<BuiltPlan>& result, const std::string& code,
                             const std::vector<std::string>& parts) {
    EXPECT_EQ(code_of(result), code) << (result.ok() ? "" : result.error().message);
    if (result.ok()) return;
    for (const std::string& part : parts)
      EXPECT_NE(result.error().message.find(part), std::string::npos) << result.error().message;
  }
};

TEST_F(Builds, APlanThatLoadsAndPredicts) {
  const auto result = build();
  ASSERT_EQ(code_of(result), "");
  EngineOptions options;
  options.libraries = doubles_only();
  auto engine = load_tensorrt(result->plan, shape_of(small_plan()), options);
  ASSERT_EQ(code_of(engine), "");
  EXPECT_EQ((*engine)->info().max_batch, 8);
  Series series(small_plan(), 5, 3);
  ASSERT_EQ(code_of((*engine)->predict(series.part().inputs, 5, series.out.data())), "");
  EXPECT_EQ(series.difference(), "");
}

TEST_F(Builds, DefaultsAreStrictTypesNoTf32FourGibibytesAndLayersInDetail) {
  const doubles::Plan plan = built();
  EXPECT_TRUE(has(plan, "strong")) << plan.flags;
  EXPECT_FALSE(has(plan, "tf32")) << plan.flags;
  EXPECT_TRUE(has(plan, "workspace=4294967296")) << plan.flags;
  EXPECT_TRUE(has(plan, "level=3")) << plan.flags;
  EXPECT_TRUE(has(plan, "detailed")) << plan.flags;
  EXPECT_FALSE(has(plan, "refit")) << plan.flags;
  EXPECT_FALSE(plan.version_compatible);
  EXPECT_EQ(plan.hardware, "");
  EXPECT_EQ(plan.gpu, "Double 0");
}

TEST_F(Builds, EveryOptionReachesTheBuilder) {
  BuildOptions options;
  options.tf32 = true;
  options.refittable = true;
  options.detailed_layers = false;
  options.workspace_bytes = 123456789;
  options.optimization_level = 5;
  options.version_compatible = true;
  options.hardware_compatibility = HardwareCompatibility::AMPERE_PLUS;
  doubles::Plan plan = built(options);
  for (const char* flag : {"tf32", "refit", "workspace=123456789", "level=5"})
    EXPECT_TRUE(has(plan, flag)) << flag;
  EXPECT_FALSE(has(plan, "detailed"));
  EXPECT_TRUE(plan.version_compatible);
  EXPECT_TRUE(plan.host_code) << "the lean runtime is in the plan";
  EXPECT_EQ(plan.hardware, "ampere+");

  options.exclude_lean_runtime = true;
  options.hardware_compatibility = HardwareCompatibility::SAME_COMPUTE_CAPABILITY;
  plan = built(options);
  EXPECT_FALSE(plan.host_code);
  EXPECT_EQ(plan.hardware, "same");
}

TEST_F(Builds, EachProfileHasItsBatchesOnAllInputs) {
  BuildOptions options;
  options.profiles = {{1, 1, 1}, {2, 4, 16}};
  const doubles::Plan plan = built(options);
  ASSERT_EQ(plan.profiles.size(), 2u);
  for (const auto& [input, range] : plan.profiles[1]) {
    EXPECT_EQ(range[0][0], 2) << input;
    EXPECT_EQ(range[1][0], 4) << input;
    EXPECT_EQ(range[2][0], 16) << input;
    EXPECT_EQ(range[0].size(), 3u);
  }
  EXPECT_EQ(plan.profiles[1].size(), 4u);
  EXPECT_EQ(plan.profiles[0].at("encoder_cont")[2], (std::vector<std::int64_t>{1, 12, 3}));
}

TEST_F(Builds, TypesChosenByTheBuilderAreTensorRT10sOnly) {
  BuildOptions options;
  options.strongly_typed = false;
  options.fp16 = true;
  options.int8 = true;
  if (major() == 10) {
    const doubles::Plan plan = built(options);
    EXPECT_FALSE(has(plan, "strong"));
    EXPECT_TRUE(has(plan, "fp16"));
    EXPECT_TRUE(has(plan, "int8"));
    options.strongly_typed = true;
    expect_refusal(build(options), "ERR_TFT_OPTION", {"stronglyTyped"});
    return;
  }
  expect_refusal(build(options), "ERR_TFT_UNSUPPORTED", {"tft_export variants"});
  options.strongly_typed = true;
  expect_refusal(build(options), "ERR_TFT_UNSUPPORTED", {"FP16"});
  expect_refusal(build(with(&BuildOptions::strongly_typed, false)), "ERR_TFT_UNSUPPORTED", {});
}

TEST_F(Builds, OptionsOutOfRangeAreNamed) {
  expect_refusal(build(with(&BuildOptions::profiles, Ranges{})), "ERR_TFT_OPTION", {"profiles"});
  expect_refusal(build(with(&BuildOptions::profiles, Ranges{{0, 1, 2}})), "ERR_TFT_OPTION", {"min 0"});
  expect_refusal(build(with(&BuildOptions::profiles, Ranges{{1, 9, 8}})), "ERR_TFT_OPTION", {"opt 9"});
  expect_refusal(build(with(&BuildOptions::workspace_bytes, 0)), "ERR_TFT_OPTION", {"workspaceBytes"});
  expect_refusal(build(with(&BuildOptions::optimization_level, 6)), "ERR_TFT_OPTION",
                 {"optimizationLevel", "6"});
  expect_refusal(build(with(&BuildOptions::device, 1)), "ERR_TFT_OPTION", {"device", "1"});
}

TEST_F(Builds, TheChosenDeviceIsTheOneBuiltOn) {
  double_set("devices", 2);
  EXPECT_EQ(built(with(&BuildOptions::device, 1)).gpu, "Double 1");
}

TEST_F(Builds, AParserErrorNamesTheNodeAndTheOperator) {
  const std::string onnx =
      onnx_of(small_plan(), {"Add", "TftUnsupportedOne", "TftUnsupportedTwo", "TftUnsupportedThree",
                             "TftUnsupportedFour", "TftUnsupportedFive", "TftUnsupportedSix"});
  expect_refusal(build({}, onnx), "ERR_TFT_BUILD",
                 {"node 'node_1' (TftUnsupportedOne)", "UNSUPPORTED_NODE", "nvonnxparser.cpp:42", "'node_5'",
                  "and 1 more"});
}

TEST_F(Builds, DamagedFilesAreRefusedWhereverTheyAreCut) {
  const std::string good = onnx_of(small_plan());
  for (std::size_t size = 0; size < good.size(); size += 17)
    expect_refusal(build({}, good.substr(0, size)), "ERR_TFT_BUILD", {"MODEL_DESERIALIZE_FAILED"});
  expect_refusal(build_plan("/nowhere/model.onnx", shape_of(small_plan()), with_doubles()), "ERR_TFT_BUILD",
                 {"/nowhere/model.onnx"});
}

TEST_F(Builds, ANetworkThatDiffersFromTheModelIsRefusedBeforeItIsBuilt) {
  doubles::Plan other = small_plan();
  other.tensors[0].dims = {-1, 24, 3};
  other.tensors[4].name = "forecast";
  expect_refusal(build({}, onnx_of(other)), "ERR_TFT_PLAN_MISMATCH",
                 {"[batch, 24, 3] in the ONNX file", "no output 'predictions'", "'forecast'"});
  EXPECT_EQ(double_calls("buildSerializedNetwork"), 0);
}

TEST_F(Builds, AFixedBatchMustEqualTheProfilesBatch) {
  doubles::Plan fixed = small_plan();
  for (doubles::PlanTensor& tensor : fixed.tensors) tensor.dims[0] = 4;
  expect_refusal(build({}, onnx_of(fixed)), "ERR_TFT_OPTION", {"fixed batch of 4"});
  EXPECT_EQ(code_of(build(with(&BuildOptions::profiles, Ranges{{4, 4, 4}}), onnx_of(fixed))), "");
}

TEST_F(Builds, ABuilderErrorHasTensorRTsMessage) {
  expect_refusal(build(with(&BuildOptions::workspace_bytes, 1000)), "ERR_TFT_BUILD",
                 {"Could not find any implementation"});
  double_fail("buildSerializedNetwork", 1, 999);
  expect_refusal(build(), "ERR_TFT_BUILD", {"code 999"});  // logged by one of the builder's threads
  double_set("compute", 75);
  expect_refusal(build(with(&BuildOptions::hardware_compatibility, HardwareCompatibility::AMPERE_PLUS)),
                 "ERR_TFT_BUILD", {"Ampere"});
}

TEST_F(Builds, AnOutOfMemoryErrorNamesTheFreeMemory) {
  double_set("memory", 1 << 20);
  expect_refusal(build(), "ERR_TFT_OUT_OF_MEMORY", {"Requested size", "free on GPU 0"});
}

TEST_F(Builds, WithoutBuilderOrParserTheErrorSaysToInstallTheFullTensorRT) {
  BuildOptions options = with_doubles();
  const TemporaryFile file(onnx_of(small_plan()));
  options.libraries.tensorrt_path = tensorrt_double(major(), true);
  expect_refusal(build_plan(file.path, shape_of(small_plan()), options), "ERR_TFT_TENSORRT_NOT_FOUND",
                 {"_lean", "full TensorRT"});
  double_set("devices", 0);
  expect_refusal(build(), "ERR_TFT_NO_CUDA_DEVICE", {});
  EXPECT_EQ(double_calls("createInferBuilder_INTERNAL"), 0);
}

TEST_F(Builds, PluginLibrariesAreLoadedFirst) {
  built(with(&BuildOptions::plugins, std::vector<std::string>{plugins_double()}));
  EXPECT_EQ(double_calls("loadLibrary"), 1);
  expect_refusal(build(with(&BuildOptions::plugins, std::vector<std::string>{"/nowhere/plugins.so"})),
                 "ERR_TFT_BUILD", {"/nowhere/plugins.so"});
}

/// Builds a plan of the demo model; expects success.
Result<BuiltPlan> demo_built(BuildOptions options = {}) {
  options.libraries = doubles_only();
  options.profiles = {{1, 2, 4}};
  auto result = build_plan(std::string(TFT_PROJECT) + "/models/demo/model.onnx",
                           shape_of(doubles::demo_plan()), options);
  EXPECT_EQ(code_of(result), "") << (result.ok() ? "" : result.error().message);
  return result;
}

TEST_F(Builds, APlanWithKernelsKeepsTheirFieldsLoadsAndRuns) {
  if (!kernels()) GTEST_SKIP() << "this build has no kernels: nvcc was missing";
  const auto result = demo_built();
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->fused.size(), 7u);
  std::string problem;
  const auto plan = doubles::read_plan(text_of(result->plan), problem);
  ASSERT_TRUE(plan) << problem;
  ASSERT_EQ(plan->plugins.size(), result->fused.size());
  for (const doubles::PlanPlugin& plugin : plan->plugins) {
    EXPECT_EQ(plugin.version, kernels()->version);
    EXPECT_FALSE(plugin.fields.empty()) << plugin.name;
    for (const doubles::PlanField& field : plugin.fields) {
      ASSERT_EQ(field.doubles.size(), 1u) << plugin.name << " " << field.name;
      const double value = field.doubles[0];
      const double expected = field.name == "epsilon" ? 1e-5 : field.name == "heads" ? 4 : value;
      EXPECT_NEAR(value, expected, 1e-9) << field.name;
    }
  }

  EngineOptions options;
  options.libraries = doubles_only();
  auto engine = load_tensorrt(result->plan, shape_of(*plan), options);
  ASSERT_EQ(code_of(engine), "");
  Series series(*plan, 3, 1);
  ASSERT_EQ(code_of((*engine)->predict(series.part().inputs, 3, series.out.data())), "");
  EXPECT_EQ(series.difference(), "");
}

TEST_F(Builds, WithoutKernelsOrWithAnOldDriverTensorRTsLayersRunTheModel) {
  const auto plain = demo_built(with(&BuildOptions::kernels, false));
  ASSERT_TRUE(plain.ok());
  EXPECT_TRUE(plain->fused.empty());
  EXPECT_EQ(text_of(plain->plan).find("plugin "), std::string::npos);
  if (!kernels()) return;
  double_set("compute", 75);
  std::string warnings;
  BuildOptions options;
  options.log = [&](LogLevel level, const std::string& text) {
    if (level == LogLevel::WARN) warnings += text;
  };
  const auto older = demo_built(options);
  ASSERT_TRUE(older.ok());
  EXPECT_TRUE(older->fused.empty());
  EXPECT_NE(warnings.find("compute capability 8.0"), std::string::npos) << warnings;
}

TEST_F(Builds, ATimingCacheSavesTheNextBuildTheTiming) {
  const auto first = build();
  ASSERT_EQ(code_of(first), "");
  ASSERT_FALSE(first->timing_cache.empty());
  EXPECT_EQ(double_calls("timeTactics"), 1);
  const auto second = build(with(&BuildOptions::timing_cache, first->timing_cache));
  ASSERT_EQ(code_of(second), "");
  EXPECT_EQ(double_calls("timeTactics"), 1);
  EXPECT_EQ(second->timing_cache, first->timing_cache);
  EXPECT_EQ(second->plan, first->plan);
}

TEST_F(Builds, AForeignTimingCacheIsIgnoredAndTheLogSaysSo) {
  const auto first = build();
  ASSERT_EQ(code_of(first), "");
  std::vector<std::byte> damaged = first->timing_cache;
  damaged[damaged.size() / 2] ^= std::byte{1};
  const auto expect_left_aside = [](const std::vector<std::byte>& cache, const std::string& why) {
    std::string warnings;
    std::string errors;
    BuildOptions options;
    options.timing_cache = cache;
    options.log = [&](LogLevel level, const std::string& text) {
      if (level == LogLevel::WARN) warnings += text;
      if (level == LogLevel::ERROR) errors += text;
    };
    EXPECT_EQ(code_of(build(options)), "");
    EXPECT_NE(warnings.find("timing cache is ignored"), std::string::npos) << warnings;
    EXPECT_NE(warnings.find(why), std::string::npos) << warnings;
    EXPECT_EQ(errors, "");
  };
  expect_left_aside(damaged, "damaged");
  double_set("compute", 89);
  expect_left_aside(first->timing_cache, "of GPU 90");
}

TEST_F(Builds, ProgressNamesEachPhaseAndReachesItsEnd) {
  std::map<std::string, BuildProgress> last;
  std::atomic<int> at_once = 0;
  BuildOptions options;
  options.progress = [&](const BuildProgress& step) {
    EXPECT_EQ(++at_once, 1) << "two calls at once";
    const auto found = last.find(step.phase);
    EXPECT_GT(step.done, found == last.end() ? -1 : found->second.done) << step.phase;
    last[step.phase] = step;
    --at_once;
  };
  built(options);
  ASSERT_TRUE(last.contains("Timing tactics"));
  EXPECT_EQ(last["Timing tactics"].parent, "Building Engine");
  EXPECT_EQ(last["Timing tactics"].steps, 10);
  EXPECT_EQ(last["Building Engine"].parent, "");
  EXPECT_EQ(last.size(), 3u) << "and the parser's";
  for (const auto& [phase, step] : last) EXPECT_EQ(step.done, step.steps) << phase;
}

TEST_F(Builds, ABuildCancelledBeforeItBeginsBuildsNothing) {
  std::stop_source source;
  source.request_stop();
  expect_refusal(build(with(&BuildOptions::stop, source.get_token())), "ERR_TFT_ABORTED", {"cancelled"});
  EXPECT_EQ(double_calls("createInferBuilder_INTERNAL"), 0);
}

// CI runs a seeded sample; TFT_TEST_ROUNDS and TFT_TEST_SEED set its length and its seed.
TEST_F(Builds, ABuildCancelledAtAnyMomentEndsSoonAndFreesEverything) {
  std::mt19937 random(static_cast<std::uint32_t>(rounds("TFT_TEST_SEED", 1)));
  std::set<std::string> codes;
  for (int round = 0; round < rounds("TFT_TEST_ROUNDS", 40) && !HasFailure(); ++round) {
    double_reset();
    const bool while_parsing = random() % 4 == 0;
    double_set(while_parsing ? "parse_us" : "build_ms", while_parsing ? 3000 : 20);
    std::stop_source source;
    std::thread caller([&, moment = random() % 25000] {
      std::this_thread::sleep_for(std::chrono::microseconds(moment));
      source.request_stop();
    });
    const auto result = build(with(&BuildOptions::stop, source.get_token()));
    caller.join();
    codes.insert(code_of(result));
    if (!result.ok()) check_error(result.error());
    expect_clean();
  }
  codes.erase("");
  EXPECT_EQ(codes, std::set<std::string>{"ERR_TFT_ABORTED"});
}

TEST_F(Builds, EveryFailureEndsWithACodeAndFreesEverything) {
  const TemporaryFile file(onnx_of(small_plan()));
  const auto cache = build();
  ASSERT_EQ(code_of(cache), "");
  for (const char* function : {"cuInit",
                               "cuDeviceGetCount",
                               "cuDeviceGet",
                               "cuDevicePrimaryCtxRetain",
                               "cuCtxPushCurrent_v2",
                               "cuCtxPopCurrent_v2",
                               "cuDevicePrimaryCtxRelease_v2",
                               "createInferBuilder_INTERNAL",
                               "loadLibrary",
                               "createNetworkV2",
                               "createNvOnnxParser_INTERNAL",
                               "parseFromFile",
                               "createBuilderConfig",
                               "setHardwareCompatibilityLevel",
                               "createOptimizationProfile",
                               "setDimensions",
                               "addOptimizationProfile",
                               "createTimingCache",
                               "setTimingCache",
                               "buildSerializedNetwork",
                               "serialize"}) {
    bool ever = false;
    for (const int code : {2, 700, 999}) {
      for (int nth = 1;; ++nth) {
        SCOPED_TRACE(std::string(function) + " call " + std::to_string(nth) + " code " +
                     std::to_string(code));
        double_reset();
        double_fail(function, nth, code);
        BuildOptions options = with_doubles();
        options.profiles = {{1, 1, 1}, {1, 2, 4}};
        options.plugins = {plugins_double()};
        options.timing_cache = cache->timing_cache;
        options.hardware_compatibility = HardwareCompatibility::AMPERE_PLUS;
        const auto result = build_plan(file.path, shape_of(small_plan()), options);
        if (!result.ok()) check_error(result.error());
        expect_clean();
        if (HasFailure()) return;
        if (double_faults_fired() == 0) break;
        ever = true;
      }
    }
    EXPECT_TRUE(ever) << function << " is never called";
  }
  double_reset();
}

TEST_F(Builds, TheInspectorReportsTheLayersOfABuiltPlan) {
  const auto result = build(with(&BuildOptions::profiles, Ranges{{1, 1, 1}, {2, 4, 16}}));
  ASSERT_EQ(code_of(result), "");
  EngineOptions options;
  options.libraries = doubles_only();
  const auto report = inspect_engine(result->plan, options);
  ASSERT_EQ(code_of(report), "");
  EXPECT_EQ(report->tensorrt_version.substr(0, 3), std::to_string(major()) + ".");
  ASSERT_EQ(report->tensors.size(), 5u);
  EXPECT_EQ(report->tensors[0].shape, (std::vector<std::int64_t>{-1, 12, 3}));
  ASSERT_EQ(report->profiles.size(), 2u);
  EXPECT_EQ(report->profiles[1].min, 2);
  EXPECT_EQ(report->profiles[1].opt, 4);
  EXPECT_EQ(report->profiles[1].max, 16);
  EXPECT_EQ(report->activation_bytes, 16u * 4096);
  EXPECT_EQ(report->weights_bytes, 1u << 20);
  EXPECT_EQ(report->plan_bytes, result->plan.size());
  EXPECT_NE(report->layers.find("\"Name\": \"mix\""), std::string::npos) << report->layers;
  for (const char* function : {"createEngineInspector", "getEngineInformation"}) {
    double_fail(function, 1, 999);
    EXPECT_EQ(code_of(inspect_engine(result->plan, options)), "ERR_TFT_RUN") << function;
  }
}

TEST_F(Builds, SaysWhereTensorRTSearchesTheLibraryThatItCannotLoad) {
  double_set("builder_resource", 1);
  const auto refused = build();
  EXPECT_EQ(code_of(refused), "ERR_TFT_BUILD");
  EXPECT_NE(refused.error().message.find("in LD_LIBRARY_PATH"), std::string::npos) << refused.error().message;
}

TEST_F(Builds, APlanOfAnotherGpuIsRefusedUnlessItWasBuiltForIt) {
  const auto plain = build();
  const auto ampere = build(with(&BuildOptions::hardware_compatibility, HardwareCompatibility::AMPERE_PLUS));
  ASSERT_EQ(code_of(plain), "");
  ASSERT_EQ(code_of(ampere), "");
  double_set("compute", 89);
  EngineOptions options;
  options.libraries = doubles_only();
  EXPECT_EQ(code_of(inspect_engine(plain->plan, options)), "ERR_TFT_PLAN_INVALID");
  EXPECT_EQ(code_of(inspect_engine(ampere->plan, options)), "");
}

TEST_F(Builds, AVersionCompatiblePlanRunsOnTheLeanRuntime) {
  const auto result =
      build(with(&BuildOptions::version_compatible, true, with(&BuildOptions::exclude_lean_runtime, true)));
  ASSERT_EQ(code_of(result), "");
  EngineOptions options;
  options.libraries = doubles_only();
  options.libraries.tensorrt_path = tensorrt_double(major(), true);
  EXPECT_EQ(code_of(inspect_engine(result->plan, options)), "");
}

}  // namespace
}  // namespace tft::testing

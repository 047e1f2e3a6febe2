// Wrong plans: each is refused with a code and a message that names the differences.
#include <random>

#include "support.h"
#include "tft/inspect.h"
#include "tft/tensorrt.h"

namespace tft::testing {
namespace {

class Plans : public OverDoubles {
 protected:
  /// Loads the plan for the small model; returns the error's code and message.
  static std::string refusal(const std::string& text) {
    EngineOptions options;
    options.libraries = doubles_only();
    const auto engine = load_tensorrt(as_bytes(text), shape_of(small_plan()), options);
    if (engine.ok()) return "";
    return std::string(code_name(engine.error().code)) + ": " + engine.error().message;
  }
  static std::string refusal(const doubles::Plan& plan) { return refusal(bytes_of(plan)); }
  static void expect(const std::string& text, const std::string& code, const std::string& part) {
    EXPECT_EQ(text.substr(0, text.find(':')), code) << text;
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
};

TEST_F(Plans, APlanOfTheModelLoads) { EXPECT_EQ(refusal(small_plan()), ""); }

TEST_F(Plans, EmptyForeignRandomAndTruncatedFilesAreInvalid) {
  expect(refusal(std::string()), "ERR_TFT_PLAN_INVALID", "");
  expect(refusal(std::string(5000, 'x')), "ERR_TFT_PLAN_INVALID", "");
  std::mt19937 random(1);
  for (int i = 0; i < 50; ++i) {
    std::string bytes(random() % 2000, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    expect(refusal(bytes), "ERR_TFT_PLAN_INVALID", "");
  }
  const std::string good = bytes_of(small_plan());
  for (std::size_t size = 0; size < good.size(); size += 11) {
    expect(refusal(good.substr(0, size)), "ERR_TFT_PLAN_INVALID", "");
  }
  for (std::size_t place = 0; place < good.size(); place += 11) {
    std::string damaged = good;
    damaged[place] = static_cast<char>(damaged[place] ^ 4);
    expect(refusal(damaged), "ERR_TFT_PLAN_INVALID", "");
  }
}

TEST_F(Plans, APlanOfAnotherVersionIsInvalidAndTheMessageQuotesTensorRT) {
  doubles::Plan plan = small_plan();
  plan.version = "10.12.0.36";
  expect(refusal(plan), "ERR_TFT_PLAN_INVALID", "10.12.0.36");
}

TEST_F(Plans, HostCodeRunsOnlyIfAllowed) {
  doubles::Plan plan = small_plan();
  plan.host_code = true;
  expect(refusal(plan), "ERR_TFT_PLAN_INVALID", "host code");
  EngineOptions options;
  options.allow_host_code = true;
  EXPECT_EQ(code_of(load(plan, options)), "");
}

TEST_F(Plans, DifferencesFromTheModelAreNamed) {
  const auto changed = [](auto change) {
    doubles::Plan plan = small_plan();
    change(plan);
    return refusal(plan);
  };
  expect(changed([](doubles::Plan& plan) { plan.tensors[0].type = "float16"; }), "ERR_TFT_PLAN_MISMATCH",
         "float16");
  expect(changed([](doubles::Plan& plan) { plan.tensors[1].type = "int64"; }), "ERR_TFT_PLAN_MISMATCH",
         "int64");
  expect(changed([](doubles::Plan& plan) { plan.tensors[4].type = "float16"; }), "ERR_TFT_PLAN_MISMATCH",
         "predictions");
  expect(changed([](doubles::Plan& plan) { plan.tensors[4].dims[2] = 9; }), "ERR_TFT_PLAN_MISMATCH",
         "predictions");
  expect(changed([](doubles::Plan& plan) { plan.tensors[4].dims = {-1, 12}; }), "ERR_TFT_PLAN_MISMATCH",
         "predictions");
  expect(changed([](doubles::Plan& plan) { plan.tensors[4].name = "forecast"; }), "ERR_TFT_PLAN_MISMATCH",
         "forecast");
  expect(changed([](doubles::Plan& plan) {
           plan.tensors[2].dims[1] = 5;
           for (auto& bound : plan.profiles[0]["decoder_cont"]) bound[1] = 5;
         }),
         "ERR_TFT_PLAN_MISMATCH", "decoder_cont");
  expect(changed([](doubles::Plan& plan) {
           plan.tensors.push_back({"mask", true, "float32", {-1, 2}});
           plan.profiles[0]["mask"] = {{{1, 2}, {2, 2}, {8, 2}}};
         }),
         "ERR_TFT_PLAN_MISMATCH", "mask");
  expect(changed([](doubles::Plan& plan) { plan.tensors.push_back({"weights", false, "float32", {-1, 2}}); }),
         "ERR_TFT_PLAN_MISMATCH", "weights");
  expect(changed([](doubles::Plan& plan) {
           plan.tensors.erase(plan.tensors.begin());
           plan.profiles[0].erase("encoder_cont");
         }),
         "ERR_TFT_PLAN_MISMATCH", "encoder_cont");
}

TEST_F(Plans, SmallBatchesArePaddedToThePlansMinimum) {
  doubles::Plan plan = small_plan({8});
  for (auto& [name, range] : plan.profiles[0]) range[0][0] = 4;
  const auto engine = loaded(plan);
  ASSERT_NE(engine, nullptr);
  for (const int batch : {1, 3, 5, 9}) {
    Series series(plan, batch, 1);
    ASSERT_TRUE(engine->predict(series.part().inputs, batch, series.out.data()).ok());
    EXPECT_EQ(series.difference(), "");
  }
}

TEST_F(Plans, CanBeInspectedWithoutAModel) {
  const std::string text = bytes_of(small_plan({8, 16}));
  EngineOptions options;
  options.libraries = doubles_only();
  const auto report = inspect_plan(as_bytes(text), options);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->max_batch, 16);
  ASSERT_EQ(report->tensors.size(), 5u);
  EXPECT_EQ(report->tensors[1].name, "encoder_cat");
  EXPECT_EQ(report->tensors[1].type, "int32");
  EXPECT_EQ(report->tensors[1].shape, (std::vector<std::int64_t>{-1, 12, 2}));
  EXPECT_TRUE(report->tensors[1].input);
  EXPECT_FALSE(report->tensors[4].input);
  EXPECT_EQ(code_of(inspect_plan(as_bytes(text.substr(0, 100)), options)), "ERR_TFT_PLAN_INVALID");
}

}  // namespace
}  // namespace tft::testing

// Errors for plans that do not match the model, and the choice of batch sizes.
#include "tensorrt/plan_check.h"

#include <gtest/gtest.h>

#include <map>

namespace tft {
namespace {

using tensorrt::ProfileRange;
using tensorrt::TensorInfo;

struct FakeEngine final : tensorrt::Engine {
  std::vector<TensorInfo> infos = {{"encoder_cont", true, "float32", {-1, 288, 14}, true},
                                   {"encoder_cat", true, "int32", {-1, 288, 2}, true},
                                   {"decoder_cont", true, "float32", {-1, 96, 4}, true},
                                   {"decoder_cat", true, "int32", {-1, 96, 2}, true},
                                   {"predictions", false, "float32", {-1, 96, 7}, true}};
  std::vector<std::pair<std::int64_t, std::int64_t>> batches = {{1, 32}};
  std::map<std::string, ProfileRange> special;

  std::vector<TensorInfo> tensors() const override { return infos; }
  int profiles() const override { return static_cast<int>(batches.size()); }
  ProfileRange profile_range(const std::string& input, int profile) const override {
    if (const auto found = special.find(input); found != special.end()) return found->second;
    const auto [least, most] = batches[static_cast<std::size_t>(profile)];
    for (const TensorInfo& info : infos) {
      if (info.name != input) continue;
      ProfileRange range{info.dims, info.dims, info.dims};
      range.min[0] = least;
      range.opt[0] = range.max[0] = most;
      return range;
    }
    return {};
  }
  std::int64_t activation_bytes(int) const override { return 0; }
  std::unique_ptr<tensorrt::Context> create_context() override { return nullptr; }
  bool use_runtime_cache(std::span<const std::byte>) override { return true; }
  std::vector<std::byte> runtime_cache() const override { return {}; }
  std::string name() const override { return ""; }
  std::string layers() const override { return ""; }
};

ModelShape demo_shape() {
  return {{{"encoder_cont", ElementType::FLOAT32, {288, 14}},
           {"encoder_cat", ElementType::INT32, {288, 2}},
           {"decoder_cont", ElementType::FLOAT32, {96, 4}},
           {"decoder_cat", ElementType::INT32, {96, 2}}},
          {{"predictions", ElementType::FLOAT32, {96, 7}}}};
}

std::string mismatch(const FakeEngine& engine) {
  const auto checked = check_plan(demo_shape(), engine);
  if (checked.ok()) return "";
  EXPECT_EQ(checked.error().code, ErrorCode::PLAN_MISMATCH);
  return checked.error().message;
}

void expect_said(const std::string& message, const std::string& text) {
  EXPECT_NE(message.find(text), std::string::npos) << message;
}

TEST(PlanCheckTest, APlanOfTheModelIsAccepted) { EXPECT_EQ(mismatch(FakeEngine()), ""); }

TEST(PlanCheckTest, AWrongNameIsReportedAsMissingAndAsUnknown) {
  FakeEngine engine;
  engine.infos[2].name = "known";
  const std::string message = mismatch(engine);
  expect_said(message, "the plan has no input 'decoder_cont'");
  expect_said(message, "the plan has an input 'known' that the model does not have");
}

TEST(PlanCheckTest, AllDifferencesAreReportedTogether) {
  FakeEngine engine;
  engine.infos[0].dims = {-1, 144, 14};
  engine.infos[1].type = "int64";
  engine.infos[4].dims = {-1, 96};
  const std::string message = mismatch(engine);
  expect_said(message,
              "input 'encoder_cont' is [batch, 144, 14] in the plan and [batch, 288, 14] in the model");
  expect_said(message, "input 'encoder_cat' is int64 in the plan and int32 in the model");
  expect_said(message, "output 'predictions' is [batch, 96] in the plan and [batch, 96, 7] in the model");
}

TEST(PlanCheckTest, AnInputThatIsAnOutputIsReported) {
  FakeEngine engine;
  engine.infos[3].input = false;
  expect_said(mismatch(engine), "'decoder_cat' is no input of the plan");
}

TEST(PlanCheckTest, ARangeWithoutTheModelsShapeIsReportedWithItsProfile) {
  FakeEngine engine;
  engine.infos[0].dims = {-1, -1, 14};
  engine.special["encoder_cont"] = {{1, 24, 14}, {8, 48, 14}, {32, 144, 14}};
  expect_said(mismatch(engine),
              "profile 0 takes input 'encoder_cont' from [1, 24, 14] to [32, 144, 14], the model's is "
              "[batch, 288, 14]");
}

TEST(PlanCheckTest, AProfileThatDoesNotFitIsSkipped) {
  FakeEngine engine;
  engine.batches = {{5, 4}, {1, 16}};
  const auto checked = check_plan(demo_shape(), engine);
  ASSERT_TRUE(checked);
  ASSERT_EQ(checked->size(), 1U);
  EXPECT_EQ(checked->front().profile, 1);
  EXPECT_EQ(checked->front().max, 16);
}

std::vector<int> sizes(const Result<std::vector<Bucket>>& buckets) {
  std::vector<int> all;
  if (buckets.ok())
    for (const Bucket& bucket : *buckets) all.push_back(bucket.size);
  return all;
}

TEST(BucketsTest, PowersOfTwoUpToTheMaximumAndTheMaximum) {
  EXPECT_EQ(sizes(choose_buckets({{0, 1, 32}}, 0)), (std::vector<int>{1, 2, 4, 8, 16, 32}));
  EXPECT_EQ(sizes(choose_buckets({{0, 1, 24}}, 0)), (std::vector<int>{1, 2, 4, 8, 16, 24}));
  EXPECT_EQ(sizes(choose_buckets({{0, 1, 32}}, 5)), (std::vector<int>{1, 2, 4, 5}));
  EXPECT_EQ(sizes(choose_buckets({{0, 1, 1}}, 0)), (std::vector<int>{1}));
}

TEST(BucketsTest, AMinimumAboveOneIsTheSmallestBucket) {
  EXPECT_EQ(sizes(choose_buckets({{0, 8, 8}}, 0)), (std::vector<int>{8}));
  EXPECT_EQ(sizes(choose_buckets({{0, 8, 8}}, 3)), (std::vector<int>{8}));
  EXPECT_EQ(sizes(choose_buckets({{0, 3, 20}}, 0)), (std::vector<int>{4, 8, 16, 20}));
}

TEST(BucketsTest, ABatchRunsWithTheNarrowestProfileThatIncludesIt) {
  const auto buckets = choose_buckets({{0, 1, 32}, {1, 1, 4}}, 0);
  ASSERT_TRUE(buckets);
  std::vector<int> profiles;
  for (const Bucket& bucket : *buckets) profiles.push_back(bucket.profile);
  EXPECT_EQ(profiles, (std::vector<int>{1, 1, 1, 0, 0, 0}));
}

TEST(BucketsTest, AMaximumAboveThePlansIsRefusedAndTheErrorNamesThePlans) {
  const auto buckets = choose_buckets({{0, 1, 32}}, 64);
  ASSERT_FALSE(buckets);
  EXPECT_EQ(buckets.error().code, ErrorCode::OPTION);
  expect_said(buckets.error().message, "found 64, expected 1 to the plan's 32");
}

}  // namespace
}  // namespace tft

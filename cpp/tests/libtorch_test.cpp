// LibTorch's runtime over a double of the library that runs it: opening, loading and running.
#include "tft/libtorch.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "support.h"

namespace tft::testing {
namespace {

const std::string library = std::string(TFT_DOUBLES_FOLDER) + "/libtorch1";

class LibTorch : public ::testing::Test {
 protected:
  Result<std::unique_ptr<TFTEngine>> load(const std::string& file,
                                          const LibTorchOptions& libtorch = {library},
                                          const EngineOptions& options = {}) {
    return load_libtorch(file, shape, libtorch, options);
  }

  const doubles::Plan plan = small_plan();
  const ModelShape shape = shape_of(plan);
  const TemporaryFile module{"tft-double-module\n"};
};

TEST_F(LibTorch, OpensTheLibraryInAFolder) {
  const auto report = open_libtorch(library);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->path, library + "/libtft_libtorch.so");
  EXPECT_EQ(report->version, "0.0.0-double");
}

TEST_F(LibTorch, OpensTheLibraryThatTheVariableNames) {
  setenv("TFT_LIBTORCH", (library + "/libtft_libtorch.so").c_str(), 1);
  const auto report = open_libtorch();
  setenv("TFT_LIBTORCH", "/nowhere.so", 1);
  const auto named = open_libtorch(library);
  const auto missing = open_libtorch();
  unsetenv("TFT_LIBTORCH");
  EXPECT_TRUE(report);
  EXPECT_TRUE(named);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::BACKEND_UNAVAILABLE);
  EXPECT_NE(missing.error().message.find("/nowhere.so"), std::string::npos) << missing.error().message;
}

TEST_F(LibTorch, RefusesAnotherLibraryAndAnotherInterface) {
  const auto other = open_libtorch(cuda_double());
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("is not libtft_libtorch.so"), std::string::npos);
  const auto later = open_libtorch(std::string(TFT_DOUBLES_FOLDER) + "/libtorch2");
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().code, ErrorCode::BACKEND_UNAVAILABLE);
  EXPECT_NE(later.error().message.find("version 2"), std::string::npos) << later.error().message;
}

TEST_F(LibTorch, RefusesWhatIsNotAModuleOrNotThere) {
  EXPECT_EQ(load("/nowhere.ts.pt").error().code, ErrorCode::MODEL_NOT_FOUND);
  const TemporaryFile text("something else\n");
  const auto other = load(text.path);
  EXPECT_EQ(other.error().code, ErrorCode::MODEL_INVALID);
  // A long message is cut off.
  EXPECT_LT(other.error().message.size(), 2200U);
  EXPECT_EQ(load(module.path, {library, "cuda:0"}).error().code, ErrorCode::BACKEND_UNAVAILABLE);
  EXPECT_EQ(load(module.path, {library, "cpu", 0}).error().code, ErrorCode::OPTION);
  EngineOptions options;
  options.lanes = 0;
  EXPECT_EQ(load(module.path, {library}, options).error().code, ErrorCode::OPTION);
}

TEST_F(LibTorch, ForecastsInBatchesOnSeveralLanes) {
  EngineOptions options;
  options.lanes = 3;
  options.max_batch = 4;
  auto engine = load(module.path, {library}, options);
  ASSERT_TRUE(engine) << engine.error().message;
  EXPECT_EQ((*engine)->info().max_batch, 4);
  EXPECT_TRUE((*engine)->warmup());
  for (const int count : {1, 4, 11}) {
    Series series(plan, count, static_cast<std::uint32_t>(count));
    const Part part = series.part();
    ASSERT_TRUE((*engine)->predict_batch({&part, 1}));
    EXPECT_EQ(series.difference(), "");
  }
}

TEST_F(LibTorch, ARunThatFailsFailsItsRequestOnly) {
  const TemporaryFile failing("tft-double-module fails\n");
  auto engine = load(failing.path);
  ASSERT_TRUE(engine);
  for (int i = 0; i < 2; ++i) {
    Series series(plan, 1, 1);
    const auto result = (*engine)->predict(series.part());
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::RUN);
    EXPECT_NE(result.error().message.find("index out of range"), std::string::npos);
  }
}

}  // namespace
}  // namespace tft::testing

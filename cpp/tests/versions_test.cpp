// The versions of TensorRT that people have, over the doubles: each builds, loads and runs, and those that
// were not measured are said to be so.
#include <cstdlib>
#include <string>
#include <vector>

#include "support.h"
#include "tft/builder.h"
#include "tft/tensorrt.h"

namespace tft::testing {
namespace {

class Versions : public OverDoubles {
 protected:
  void TearDown() override {
    OverDoubles::TearDown();
    unsetenv("TFT_DOUBLE_TENSORRT_VERSION");
  }
};

/// Builds a plan, loads it and forecasts. Returns the warnings.
std::string use() {
  std::string warnings;
  const Log log = [&](LogLevel level, const std::string& message) {
    if (level == LogLevel::WARN) warnings += message + "\n";
  };
  const doubles::Plan plan = small_plan();
  const TemporaryFile file(onnx_of(plan));
  BuildOptions options;
  options.libraries = doubles_only();
  options.profiles = {{1, 2, 8}, {9, 16, 32}};
  options.kernels = false;
  options.log = log;
  const auto built = build_plan(file.path, shape_of(plan), options);
  EXPECT_EQ(code_of(built), "") << (built.ok() ? "" : built.error().message);
  if (!built.ok()) return warnings;
  EngineOptions with;
  with.libraries = doubles_only();
  with.max_batch = 12;  // less than the profile's, for which 10.1 and newer report the memory
  with.log = log;
  const auto engine = load_tensorrt(built->plan, shape_of(plan), with);
  EXPECT_EQ(code_of(engine), "") << (engine.ok() ? "" : engine.error().message);
  if (!engine.ok()) return warnings;
  for (const int batch : {1, 8, 12}) {
    Series series(plan, batch, 1);
    EXPECT_TRUE((*engine)->predict(series.part().inputs, batch, series.out.data()).ok());
    EXPECT_EQ(series.difference(), "");
  }
  return warnings;
}

TEST_F(Versions, From10_0To10_5WorkWithAWarningThatSaysWhatWasMeasured) {
  if (rounds("TFT_TEST_TENSORRT", 10) != 10) return;
  for (const char* version : {"10.0.1.6", "10.1.0.27", "10.2.0.19", "10.3.0.26", "10.4.0.26", "10.5.0.18"}) {
    setenv("TFT_DOUBLE_TENSORRT_VERSION", version, 1);
    const std::string warning = std::string("TensorRT ") + version + " is older than 10.6";
    const std::string said = use();
    const auto first = said.find(warning);
    ASSERT_NE(first, std::string::npos) << said;
    EXPECT_NE(said.find(warning, first + 1), std::string::npos) << "when building, and when loading";
    expect_clean();
  }
}

TEST_F(Versions, From10_6OnWorkWithoutAWarning) {
  const std::vector<const char*> versions = rounds("TFT_TEST_TENSORRT", 10) == 10
                                                ? std::vector{"10.6.0.26", "10.9.0.34", "10.16.1.11"}
                                                : std::vector{"11.0.0.1", "11.4.0.106"};
  for (const char* version : versions) {
    setenv("TFT_DOUBLE_TENSORRT_VERSION", version, 1);
    EXPECT_EQ(use(), "") << version;
    expect_clean();
  }
}

}  // namespace
}  // namespace tft::testing

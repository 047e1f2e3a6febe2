// Plans that need plugins: the creators must be registered before the plan is loaded. Otherwise it is refused
// with the code PLUGIN, which says that building it again would not help.
#include <dlfcn.h>

#include "support.h"
#include "tft/builder.h"
#include "tft/inspect.h"
#include "tft/measure.h"
#include "tft/tensorrt.h"

namespace tft::testing {
namespace {

doubles::Plan plan_with_plugin() {
  doubles::Plan plan = small_plan();
  plan.plugins = {{"TftDouble", "1", "", {{"size", "int32", {4}, {}}}}};
  return plan;
}

class Plugins : public OverDoubles {
 protected:
  static EngineOptions with_library() {
    EngineOptions options;
    options.plugins = {plugins_double()};
    return options;
  }
  static void expect_refusal(const Error& error, const std::string& part) {
    EXPECT_EQ(code_name(error.code), "ERR_TFT_PLUGIN");
    EXPECT_NE(error.message.find(part), std::string::npos) << error.message;
  }
};

TEST_F(Plugins, APlanRunsWithTheLibraryThatItNeeds) {
  const doubles::Plan plan = plan_with_plugin();
  const auto engine = loaded(plan, with_library());
  ASSERT_NE(engine, nullptr);
  Series series(plan, 3, 1);
  ASSERT_TRUE(engine->predict(series.part().inputs, 3, series.out.data()).ok());
  EXPECT_EQ(series.difference(), "");
}

TEST_F(Plugins, AreAvailableOnEachDevice) {
  double_set("devices", 2);
  EngineOptions options = with_library();
  options.devices = {0, 1};
  EXPECT_NE(loaded(plan_with_plugin(), options), nullptr);
  EXPECT_EQ(double_calls("loadLibrary"), 2);
}

TEST_F(Plugins, AMissingPluginIsNamedEvenAfterAnotherPlanHadIt) {
  EXPECT_NE(loaded(plan_with_plugin(), with_library()), nullptr);
  const auto engine = load(plan_with_plugin());
  ASSERT_FALSE(engine.ok());
  expect_refusal(engine.error(), "TftDouble");
}

TEST_F(Plugins, AnotherVersionOrNamespaceIsAnotherPlugin) {
  doubles::Plan plan = plan_with_plugin();
  plan.plugins[0].version = "2";
  EXPECT_EQ(code_of(load(plan, with_library())), "ERR_TFT_PLUGIN");
  plan = plan_with_plugin();
  plan.plugins[0].plugin_namespace = "other";
  EXPECT_EQ(code_of(load(plan, with_library())), "ERR_TFT_PLUGIN");
}

TEST_F(Plugins, FieldsThatTheCreatorRefusesMakeThePlanInvalid) {
  doubles::Plan plan = plan_with_plugin();
  plan.plugins[0].fields[0].integers = {0};
  EXPECT_EQ(code_of(load(plan, with_library())), "ERR_TFT_PLAN_INVALID");
}

TEST_F(Plugins, ALibraryThatDoesNotLoadIsNamed) {
  EngineOptions options;
  options.plugins = {"/nowhere/plugins.so"};
  const auto engine = load(plan_with_plugin(), options);
  ASSERT_FALSE(engine.ok());
  expect_refusal(engine.error(), "/nowhere/plugins.so");
  double_fail("loadLibrary", 1, 1);
  EXPECT_EQ(code_of(load(plan_with_plugin(), with_library())), "ERR_TFT_PLUGIN");
}

TEST_F(Plugins, AreLoadedForInspectionAndMeasurement) {
  const std::string text = bytes_of(plan_with_plugin());
  EngineOptions options = with_library();
  options.libraries = doubles_only();
  EXPECT_EQ(code_of(inspect_plan(as_bytes(text), options)), "");
  EXPECT_EQ(code_of(inspect_engine(as_bytes(text), options)), "");
  MeasureOptions measuring;
  measuring.libraries = doubles_only();
  measuring.duration_ms = 0;
  measuring.warm_up_ms = 0;
  EXPECT_EQ(code_of(measure(as_bytes(text), measuring)), "ERR_TFT_PLUGIN");
  measuring.plugins = options.plugins;
  EXPECT_EQ(code_of(measure(as_bytes(text), measuring)), "");
}

TEST_F(Plugins, APlanBuiltWithPluginsNeedsThem) {
  const TemporaryFile file(onnx_of(small_plan(), {"Add", "TftDouble"}));
  BuildOptions options;
  options.libraries = doubles_only();
  options.profiles = {{1, 4, 8}};
  EXPECT_EQ(code_of(build_plan(file.path, shape_of(small_plan()), options)), "ERR_TFT_BUILD");
  options.plugins = {plugins_double()};
  const auto built = build_plan(file.path, shape_of(small_plan()), options);
  ASSERT_TRUE(built.ok()) << built.error().message;
  EngineOptions engine = with_library();
  engine.libraries = doubles_only();
  EXPECT_EQ(code_of(load_tensorrt(built->plan, shape_of(small_plan()), engine)), "");
  engine.plugins.clear();
  EXPECT_EQ(code_of(load_tensorrt(built->plan, shape_of(small_plan()), engine)), "ERR_TFT_PLUGIN");
}

}  // namespace
}  // namespace tft::testing

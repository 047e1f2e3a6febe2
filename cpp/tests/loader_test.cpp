// The loader: which libraries it opens, and its report if one is missing. This process is not linked with the
// doubles.
#include "tft/loader.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>

#include "tft/builder.h"
#include "tft/engine.h"
#include "tft/tensorrt.h"

namespace tft::testing {
namespace {

namespace fs = std::filesystem;

const std::string doubles = TFT_DOUBLES_FOLDER;
const std::string cuda = doubles + "/cuda/libcuda.so.1";

/// A temporary folder; the destructor removes it.
class Loader : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "tft-loader-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder = pattern;
  }
  void TearDown() override {
    fs::remove_all(folder);
    for (const char* name :
         {"TENSORRT_ROOT", "TFT_DOUBLE_TENSORRT_VERSION", "TFT_DOUBLE_DEVICES", "VIRTUAL_ENV"}) {
      unsetenv(name);
    }
  }

  static LibraryReport load(const std::string& cuda_path, const std::string& tensorrt_path) {
    LoaderOptions options;
    options.cuda_path = cuda_path;
    options.tensorrt_path = tensorrt_path;
    return load_libraries(options);
  }
  static std::string problem(const LibraryReport& report) {
    return report.problem ? std::string(code_name(report.problem->code)) : "";
  }

  fs::path folder;
};

/// Runs the statements in a separate process, because libraries stay loaded and read the environment only
/// once.
#define IN_ITS_OWN_PROCESS(...)           \
  EXPECT_EXIT(                            \
      {                                   \
        __VA_ARGS__;                      \
        std::_Exit(HasFailure() ? 1 : 0); \
      },                                  \
      ::testing::ExitedWithCode(0), "")

TEST_F(Loader, OpensBothMajorVersionsFromAFileOrAFolder) {
  for (const char* path :
       {"/tensorrt10/lib/libnvinfer.so.10", "/tensorrt10/lib", "/tensorrt11/lib/libnvinfer.so.11"}) {
    const LibraryReport report = load(cuda, doubles + path);
    EXPECT_EQ(problem(report), "") << (report.problem ? report.problem->message : "");
    EXPECT_EQ(report.tensorrt.major, std::string(path).find("11") == std::string::npos ? 10 : 11);
    EXPECT_FALSE(report.lean);
    EXPECT_NE(report.parser_path.find("libnvonnxparser.so." + std::to_string(report.tensorrt.major)),
              std::string::npos)
        << report.parser_path;
    EXPECT_EQ(report.cuda_version, 13000);
    ASSERT_EQ(report.devices.size(), 1u);
    EXPECT_EQ(report.devices[0].name, "Double 0");
    EXPECT_EQ(report.devices[0].compute_major, 9);
  }
  const LibraryReport lean = load(cuda, doubles + "/tensorrt10-lean/lib");
  EXPECT_EQ(problem(lean), "");
  EXPECT_TRUE(lean.lean);
}

TEST_F(Loader, FollowsTensorRTRoot) {
  setenv("TENSORRT_ROOT", (doubles + "/tensorrt11").c_str(), 1);
  const LibraryReport report = load(cuda, "");
  EXPECT_EQ(problem(report), "");
  EXPECT_EQ(report.tensorrt.major, 11);
  EXPECT_EQ(report.tensorrt_path.find(doubles), 0u) << report.tensorrt_path;
}

// A user who can write to another user's working folder must not be able to run code there by a habit such as
// PATH=./node_modules/.bin:$PATH.
TEST_F(Loader, OpensNothingOfTheCurrentFolder) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (const char* const prefix : {"", "node_modules", "bin", ".local", "root"}) {
    const fs::path place = folder / prefix;
    const fs::path libraries = place / "lib/python3.12/site-packages/tensorrt_libs";
    fs::create_directories(libraries);
    fs::create_directories(place / ".bin");
    fs::create_directories(place / "bin");
    for (const fs::path& file : {place / ".bin/python3", place / "bin/python3", place / "python3"})
      std::ofstream(file) << "";
    fs::copy_file(doubles + "/tensorrt10/lib/libnvinfer.so.10", libraries / "libnvinfer.so.10");
    fs::copy_file(doubles + "/tensorrt10/lib/libnvinfer.so.10", place / "lib/libnvinfer.so.10");
  }
  IN_ITS_OWN_PROCESS({
    fs::current_path(folder);
    const auto opened = [&](const char* name, const std::string& value) {
      for (const char* one : {"PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "HOME", "TENSORRT_ROOT"}) unsetenv(one);
      setenv(name, value.c_str(), 1);
      LoaderOptions options;
      options.cuda_path = cuda;
      options.survey = true;
      const LibraryReport report = load_libraries(options);
      // A bare name is the loader's to find, and a path that was refused was not opened.
      return std::any_of(report.attempts.begin(), report.attempts.end(), [&](const auto& attempt) {
        const fs::path path = attempt.path;
        return attempt.problem.find("relative") == std::string::npos && path.has_parent_path() &&
               fs::absolute(path).string().starts_with(folder.string());
      });
    };
    for (const char* const entry : {"./bin", "bin", ".", "", "./node_modules/.bin", "node_modules/bin",
                                    "bin/bin", "bin/../bin/bin", "/bin:bin/bin:"})
      EXPECT_FALSE(opened("PATH", entry)) << entry;
    for (const char* const name : {"VIRTUAL_ENV", "CONDA_PREFIX", "HOME", "TENSORRT_ROOT"})
      for (const char* const value : {".", "root", "./root"})
        EXPECT_FALSE(opened(name, value)) << name << value;
    // Named from the root the same folders are looked into, where no TensorRT of the system comes before.
    EXPECT_TRUE(opened("TENSORRT_ROOT", (folder / "root").string()));
  });
}

TEST_F(Loader, ReportsItsAttemptsIfItFindsNothing) {
  const LibraryReport report =
      load((folder / "libcuda.so.1").string(), (folder / "libnvinfer.so.10").string());
  EXPECT_EQ(problem(report), "ERR_TFT_NO_CUDA_DRIVER");
  ASSERT_FALSE(report.attempts.empty());
  EXPECT_FALSE(report.attempts[0].taken);
  EXPECT_FALSE(report.attempts[0].problem.empty());
  EXPECT_EQ(problem(load(cuda, (folder / "libnvinfer.so.10").string())), "ERR_TFT_TENSORRT_NOT_FOUND");
}

TEST_F(Loader, RefusesAFileThatIsNotALibrary) {
  std::ofstream(folder / "libcuda.so.1") << "not a library";
  std::ofstream(folder / "libnvinfer.so.10") << "not a library";
  EXPECT_EQ(problem(load((folder / "libcuda.so.1").string(), "")), "ERR_TFT_NO_CUDA_DRIVER");
  EXPECT_EQ(problem(load(cuda, (folder / "libnvinfer.so.10").string())), "ERR_TFT_TENSORRT_NOT_FOUND");
}

TEST_F(Loader, RefusesALibraryWithoutTheNeededFunctions) {
  // The libraries are swapped: each loads, but has none of the functions needed.
  EXPECT_EQ(problem(load(doubles + "/tensorrt10/lib/libnvinfer.so.10", "")), "ERR_TFT_NO_CUDA_DRIVER");
  fs::copy_file(cuda, folder / "libnvinfer.so.10");
  const LibraryReport report = load(cuda, (folder / "libnvinfer.so.10").string());
  EXPECT_EQ(problem(report), "ERR_TFT_TENSORRT_NOT_FOUND");
}

TEST_F(Loader, RefusesOldVersionsAndSaysWhatToInstall) {
  for (const char* version : {"8.6.1.6", "9.3.0.1"}) {
    setenv("TFT_DOUBLE_TENSORRT_VERSION", version, 1);
    const LibraryReport report = load(cuda, doubles + "/tensorrt10/lib/libnvinfer.so.10");
    EXPECT_EQ(problem(report), "ERR_TFT_TENSORRT_VERSION") << version;
    ASSERT_TRUE(report.problem);
    for (const char* const part : {"too old", "10.6 or newer", "pip install tensorrt-cu13"})
      EXPECT_NE(report.problem->message.find(part), std::string::npos) << report.problem->message;
  }
}

TEST_F(Loader, WarnsOfVersionsThatWereNotMeasured) {
  for (const char* version : {"10.0.1.6", "10.1.0.27", "10.2.0.19", "10.3.0.26", "10.4.0.26", "10.5.0.18"}) {
    setenv("TFT_DOUBLE_TENSORRT_VERSION", version, 1);
    const LibraryReport report = load(cuda, doubles + "/tensorrt10/lib/libnvinfer.so.10");
    EXPECT_EQ(problem(report), "") << version;
    EXPECT_NE(report.warning.find("TensorRT " + std::string(version) + " is older than 10.6"),
              std::string::npos)
        << report.warning;
  }
  for (const char* version : {"10.6.0.26", "10.16.1.11"}) {
    setenv("TFT_DOUBLE_TENSORRT_VERSION", version, 1);
    const LibraryReport report = load(cuda, doubles + "/tensorrt10/lib/libnvinfer.so.10");
    EXPECT_EQ(problem(report) + report.warning, "") << version;
  }
}

/// The files that this process has opened.
std::string opened_files() {
  std::ifstream maps("/proc/self/maps");
  return {std::istreambuf_iterator<char>(maps), {}};
}

// TensorRT opens these by their bare names, and finds them only if they are open or on the loader's path.
TEST_F(Loader, TheRootAloneSufficesForThePartsThatTensorRTOpensByName) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (const int major : {10, 11}) {
    const std::string number = std::to_string(major);
    const fs::path lib = folder / number / "lib";
    fs::create_directories(lib);
    for (const char* const name : {"libnvinfer.so.", "libnvonnxparser.so."})
      fs::copy_file(doubles + "/tensorrt" + number + "/lib/" + name + number, lib / (name + number));
    // What is in them does not matter here; their SONAME is another, as that of the builder's kernels
    // of 10.6.
    for (const std::string name :
         {"libnvinfer_builder_resource.so.10.6.0", "libnvinfer_builder_resource_sm90.so.11.2.1",
          "libnvinfer_builder_resource_ptx.so.11.2.1", "libnvidia-tileiras.so.610.02", "libother.so.1"})
      fs::copy_file(doubles + "/cuda/libnvidia-ml.so.1", lib / name);
    IN_ITS_OWN_PROCESS({
      setenv("TENSORRT_ROOT", (folder / number).c_str(), 1);
      setenv("TFT_DOUBLE_BUILDER_RESOURCE", "1", 1);
      LoaderOptions options;
      options.cuda_path = cuda;
      BuildOptions build;
      build.libraries = options;
      build.profiles.push_back({1, 1, 1});
      std::ofstream(folder / "model.onnx") << "not a graph";
      const Error refused = build_plan((folder / "model.onnx").string(), {}, build).error();
      EXPECT_EQ(code_name(refused.code), code_name(ErrorCode::BUILD));
      EXPECT_EQ(refused.message.find("Unable to load library"), std::string::npos) << refused.message;
      const std::string files = opened_files();
      for (const char* const name :
           {"libnvinfer.so", "libnvonnxparser.so", "libnvinfer_builder_resource.so.10.6.0",
            "libnvinfer_builder_resource_sm90.so.11.2.1", "libnvinfer_builder_resource_ptx.so.11.2.1",
            "libnvidia-tileiras.so.610.02"})
        EXPECT_NE(files.find((lib / name).string()), std::string::npos) << major << " " << name;
      for (const char* const name :
           {"libnvinfer_builder_resource.so.10.6.0", "libnvinfer_builder_resource_sm90.so.11.2.1",
            "libnvinfer_builder_resource_ptx.so.11.2.1", "libnvidia-tileiras.so.610.02"})
        EXPECT_NE(dlopen(name, RTLD_LAZY | RTLD_NOLOAD), nullptr) << major << " " << name;
      EXPECT_EQ(files.find("libother"), std::string::npos);
    });
  }
}

// As pip lays them out. The environment is the active one, or that of a python3 on the path.
TEST_F(Loader, FindsThePythonEnvironments) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  struct Layout {
    std::string libs, file;
    bool rtx;
  };
  const Layout layouts[] = {{"tensorrt_libs", "tensorrt10/lib/libnvinfer.so.10", false},
                            {"tensorrt_libs", "tensorrt11/lib/libnvinfer.so.11", false},
                            {"tensorrt_lean_libs", "tensorrt10-lean/lib/libnvinfer_lean.so.10", false},
                            {"nvidia/tensorrt/lib", "tensorrt10/lib/libnvinfer.so.10", false},
                            {"nvidia/cu13/lib", "tensorrt11/lib/libnvinfer.so.11", false},
                            {"tensorrt_rtx_libs", "tensorrt_rtx/lib/libtensorrt_rtx.so.1", true}};
  int number = 0;
  for (const Layout& layout : layouts) {
    const fs::path prefix = folder / std::to_string(number++);
    const fs::path packages = prefix / "lib/python3.12/site-packages";
    fs::create_directories(packages / layout.libs);
    fs::create_directories(prefix / "bin");
    std::ofstream(prefix / "bin/python3") << "";
    const fs::path file = packages / layout.libs / fs::path(layout.file).filename();
    fs::copy_file(doubles + "/" + layout.file, file);
    for (const bool active : {true, false}) {
      IN_ITS_OWN_PROCESS({
        for (const char* one : {"VIRTUAL_ENV", "CONDA_PREFIX", "HOME", "TENSORRT_ROOT"}) unsetenv(one);
        setenv("PATH", active ? "/nowhere" : (prefix / "bin").c_str(), 1);
        if (active) setenv("VIRTUAL_ENV", prefix.c_str(), 1);
        LoaderOptions options;
        options.cuda_path = cuda;
        options.rtx = layout.rtx;
        const LibraryReport report = load_libraries(options);
        EXPECT_EQ(report.tensorrt_path, file.string()) << problem(report);
        EXPECT_EQ(report.rtx, layout.rtx);
      });
    }
  }
}

TEST_F(Loader, ReportsThatThereIsNoDevice) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  setenv("TFT_DOUBLE_DEVICES", "0", 1);
  IN_ITS_OWN_PROCESS({
    const LibraryReport report = load(cuda, doubles + "/tensorrt10/lib/libnvinfer.so.10");
    EXPECT_EQ(problem(report), "ERR_TFT_NO_CUDA_DEVICE");
    EngineOptions options;
    options.libraries.cuda_path = cuda;
    options.libraries.tensorrt_path = doubles + "/tensorrt10/lib/libnvinfer.so.10";
    const auto engine = load_tensorrt({}, {}, options);
    EXPECT_FALSE(engine.ok());
  });
}

// Uses NVIDIA's library from TFT_TEST_REAL_TENSORRT or scripts/fetch-tensorrt. Without a CUDA driver it
// returns a pointer that is neither null nor usable, so the loader must not call it.
TEST_F(Loader, SurvivesTheRealTensorRTWithoutADriver) {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  std::string path = variable("TFT_TEST_REAL_TENSORRT");
  if (path.empty()) path = variable("HOME") + "/.cache/tft-tensorrt/tensorrt-10.15/libnvinfer.so.10";
  if (!fs::exists(path)) GTEST_SKIP() << path << " is missing; scripts/fetch-tensorrt fetches it";
  if (void* driver = dlopen("libcuda.so.1", RTLD_NOW); driver != nullptr) {
    std::printf("a CUDA driver is installed here: only the report is looked at\n");
    dlclose(driver);
    return;
  }
  LoaderOptions options;
  options.tensorrt_path = path;
  options.survey = true;
  const LibraryReport report = load_libraries(options);
  EXPECT_EQ(problem(report), "ERR_TFT_NO_CUDA_DRIVER");
  EXPECT_GE(report.tensorrt.major, 10);
  std::printf("%s: TensorRT %s, %s\n", path.c_str(), report.tensorrt.text().c_str(),
              report.problem->message.c_str());
  EngineOptions engine_options;
  engine_options.libraries.tensorrt_path = path;
  const std::string plan(1000, 'x');
  const auto engine = load_tensorrt(std::as_bytes(std::span<const char>(plan)), {}, engine_options);
  ASSERT_FALSE(engine.ok());
  EXPECT_NE(engine.error().message, "");
}

}  // namespace
}  // namespace tft::testing

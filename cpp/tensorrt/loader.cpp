// Finds and opens the CUDA driver and TensorRT. Handles are never closed: see loader.h.
#include "tft/loader.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <span>
#include <sstream>
#include <utility>

#include "cuda/kernel_module.h"
#include "tensorrt/libraries.h"
#include "tensorrt/open_by_name.h"
#include "tensorrt/plugin_api.h"

namespace tft {
namespace {

namespace fs = std::filesystem;
using Attempt = LibraryAttempt;

constexpr const char* kInstall =
    "Install TensorRT 10 (10.6 or newer), or 11: `pip install tensorrt-cu13` (drivers for CUDA 13) or `pip "
    "install "
    "tensorrt-cu12`, or NVIDIA's package; then name its folder in TENSORRT_ROOT if it is not found by "
    "itself.";

constexpr const char* kInstallRtx =
    "Install TensorRT for RTX 1.7 or newer: `pip install tensorrt-rtx-cu13` or `pip install "
    "tensorrt-rtx-cu12`; then name its folder in TENSORRT_ROOT if it is not found by itself.";

// Full runtimes before lean ones, newer before older. RTX, which runs on fewer GPUs, comes after them. The
// last names are listed only to refuse them with a message.
constexpr std::array kTensorRTNames = {
    "libnvinfer.so.11",     "libnvinfer.so.10", "libnvinfer_lean.so.11", "libnvinfer_lean.so.10",
    "libtensorrt_rtx.so.1", "libnvinfer.so.9",  "libnvinfer.so.8"};
constexpr std::array kRtxNames = {"libtensorrt_rtx.so.1"};

std::span<const char* const> names_wanted(const LoaderOptions& options) {
  if (options.rtx) return kRtxNames;
  return kTensorRTNames;
}

bool is_rtx(const std::string& path) {
  return fs::path(path).filename().string().find("tensorrt_rtx") != std::string::npos;
}

struct Candidate {
  std::string path;  // a file, or a name on the loader's path
  std::string source;
};

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

std::vector<fs::path> children(const fs::path& folder) {
  std::vector<fs::path> all;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    all.push_back(it->path());
  std::sort(all.begin(), all.end());
  return all;
}

/// The file that dlopen opened for a bare name.
std::string path_of(void* symbol, const std::string& otherwise) {
  Dl_info info{};
  if (symbol == nullptr || dladdr(symbol, &info) == 0 || info.dli_fname == nullptr) return otherwise;
  return info.dli_fname;
}

void* open_library(Attempt& attempt) {
  void* const handle = dlopen(attempt.path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const why = dlerror();
    attempt.problem = why == nullptr ? "does not load" : why;
  }
  return handle;
}

// ------------------------------------------------------------------------------------------------ CUDA

/// One Driver for each library, shared by all callers.
std::shared_ptr<const cuda::Driver> driver_of(void* handle, const std::string& path,
                                              std::optional<Error>& problem) {
  static std::mutex mutex;
  static std::map<void*, std::shared_ptr<const cuda::Driver>> drivers;
  const std::lock_guard lock(mutex);
  auto& driver = drivers[handle];
  if (driver == nullptr) {
    auto made = cuda::Driver::from_library(handle, path);
    if (!made) {
      problem = made.error();
      return nullptr;
    }
    driver = std::move(made).value();
  }
  return driver;
}

void describe_devices(const cuda::Driver& driver, int count, LibraryReport& report) {
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    DeviceReport device;
    device.index = ordinal;
    cuda::DeviceId id = 0;
    if (driver.device_get(&id, ordinal) == cuda::kSuccess) {
      std::array<char, 256> name{};
      std::size_t bytes = 0;
      if (driver.device_name(name.data(), name.size() - 1, id) == cuda::kSuccess) device.name = name.data();
      if (driver.device_total_memory(&bytes, id) == cuda::kSuccess) device.memory_bytes = bytes;
      (void)driver.device_attribute(&device.compute_major, cuda::kComputeCapabilityMajor, id);
      (void)driver.device_attribute(&device.compute_minor, cuda::kComputeCapabilityMinor, id);
    }
    report.devices.push_back(std::move(device));
  }
}

void open_cuda(const LoaderOptions& options, Libraries& libraries) {
  LibraryReport& report = libraries.report;
  Attempt attempt;
  attempt.library = Attempt::Library::CUDA;
  attempt.source = options.cuda_path.empty() ? "loader's path" : "option";
  attempt.path = options.cuda_path.empty() ? "libcuda.so.1" : options.cuda_path;
  if (is_folder(attempt.path)) attempt.path = (fs::path(attempt.path) / "libcuda.so.1").string();

  void* const handle = open_library(attempt);
  if (handle == nullptr) {
    report.problem =
        Error{ErrorCode::NO_CUDA_DRIVER, "the CUDA driver does not load: " + attempt.problem +
                                             ". Install NVIDIA's driver; in a container, give it the GPU."};
    report.attempts.push_back(std::move(attempt));
    return;
  }
  const std::string path = path_of(dlsym(handle, "cuInit"), attempt.path);
  auto driver = driver_of(handle, path, report.problem);
  if (driver != nullptr) {
    if (const auto status = driver->init(0)) {
      constexpr cuda::Status kStubLibrary = 34;
      report.problem =
          Error{status == kStubLibrary ? ErrorCode::NO_CUDA_DRIVER : ErrorCode::NO_CUDA_DEVICE,
                "no CUDA device: " + path + " says " + driver->describe(status) + " when it is initialized"};
    }
  }
  int count = 0;
  if (!report.problem) {
    if (const auto status = driver->device_count(&count)) {
      report.problem =
          Error{ErrorCode::NO_CUDA_DEVICE, "no CUDA device: counting them gives " + driver->describe(status)};
    } else if (count == 0) {
      report.problem = Error{ErrorCode::NO_CUDA_DEVICE, "no CUDA device: the driver " + path +
                                                            " finds none. Is CUDA_VISIBLE_DEVICES set?"};
    }
  }
  attempt.taken = driver != nullptr;
  if (report.problem) attempt.problem = report.problem->message;
  report.attempts.push_back(std::move(attempt));
  if (driver != nullptr) {
    report.cuda_path = path;
    (void)driver->driver_version(&report.cuda_version);
  }
  if (report.problem) return;
  describe_devices(*driver, count, report);
  libraries.driver = std::move(driver);
}

// ------------------------------------------------------------------------------------------------ TensorRT:
// where

/// Adds the wanted libraries of a folder; if there are none, adds a failed attempt.
void add_folder(const fs::path& folder, const std::string& source, const LoaderOptions& options,
                std::vector<Candidate>& candidates, LibraryReport& report) {
  bool any = false;
  for (const char* const name : names_wanted(options)) {
    const fs::path file = folder / name;
    if (!is_there(file)) continue;
    candidates.push_back({file.string(), source});
    any = true;
  }
  if (any) return;
  Attempt attempt;
  attempt.library = Attempt::Library::TENSORRT;
  attempt.path = folder.string();
  attempt.source = source;
  const char* const missing = options.rtx ? "no libtensorrt_rtx.so.1 in it"
                                          : "no libnvinfer.so.11, libnvinfer.so.10 or lean runtime in it";
  attempt.problem = is_folder(folder) ? missing : "no such folder";
  report.attempts.push_back(std::move(attempt));
}

Attempt refused_root(const fs::path& root) {
  Attempt attempt;
  attempt.library = Attempt::Library::TENSORRT;
  attempt.path = root.string();
  attempt.source = "TENSORRT_ROOT";
  attempt.problem = "a relative path is not followed; write it from the root, beginning with /";
  return attempt;
}

/// Adds the libraries of a root folder as in NVIDIA's archives, or of the folder itself.
void add_root(const fs::path& root, const std::string& source, const LoaderOptions& options,
              std::vector<Candidate>& candidates, LibraryReport& report) {
  const std::array places = {root,
                             root / "lib",
                             root / "lib64",
                             root / "targets/x86_64-linux-gnu/lib",
                             root / "tensorrt_libs",
                             root / "tensorrt_rtx_libs"};
  const auto before = candidates.size();
  LibraryReport unsaid;
  for (const fs::path& place : places)
    if (is_folder(place)) add_folder(place, source, options, candidates, unsaid);
  if (candidates.size() == before) add_folder(root, source, options, candidates, report);
}

/// Adds `tensorrt_libs` (pip's tensorrt), `tensorrt_lean_libs`, `tensorrt_rtx_libs` and `nvidia/*/lib` from a
/// Python environment's site-packages.
void add_python(const fs::path& prefix, const LoaderOptions& options, std::vector<Candidate>& candidates) {
  LibraryReport unsaid;
  const std::string source = "Python environment " + prefix.string();
  for (const char* const lib : {"lib", "lib64", "local/lib"}) {
    for (const fs::path& python : children(prefix / lib)) {
      if (python.filename().string().rfind("python", 0) != 0) continue;
      for (const char* const packages : {"site-packages", "dist-packages"}) {
        for (const char* const libs : {"tensorrt_libs", "tensorrt_lean_libs", "tensorrt_rtx_libs"})
          if (is_folder(python / packages / libs))
            add_folder(python / packages / libs, source, options, candidates, unsaid);
        for (const fs::path& part : children(python / packages / "nvidia"))
          add_folder(part / "lib", source, options, candidates, unsaid);
      }
    }
  }
}

std::vector<fs::path> python_prefixes() {
  std::vector<fs::path> prefixes;
  // With a relative folder, files of the current folder would run as code of this process.
  const auto add = [&](const fs::path& prefix) {
    if (prefix.is_absolute() && std::find(prefixes.begin(), prefixes.end(), prefix) == prefixes.end())
      prefixes.push_back(prefix);
  };
  add(environment("VIRTUAL_ENV"));
  add(environment("CONDA_PREFIX"));
  std::istringstream path(environment("PATH"));
  for (std::string folder; std::getline(path, folder, ':');) {
    // Links are not followed, because an environment's python3 is a link to another folder.
    if (!folder.empty() && is_there(fs::path(folder) / "python3")) add(fs::path(folder).parent_path());
  }
  add(fs::path(environment("HOME")) / ".local");
  return prefixes;
}

std::vector<Candidate> tensorrt_candidates(const LoaderOptions& options, LibraryReport& report) {
  std::vector<Candidate> candidates;
  if (!options.tensorrt_path.empty()) {
    if (is_folder(options.tensorrt_path)) {
      add_root(options.tensorrt_path, "option", options, candidates, report);
    } else {
      candidates.push_back({options.tensorrt_path, "option"});
    }
    return candidates;
  }
  if (const fs::path root = environment("TENSORRT_ROOT"); root.is_absolute()) {
    add_root(root, "TENSORRT_ROOT", options, candidates, report);
  } else if (!root.empty()) {
    // Libraries of the current folder would run, whatever folder that is.
    report.attempts.push_back(refused_root(root));
  }
  for (const char* const name : names_wanted(options)) candidates.push_back({name, "loader's path"});
  for (const fs::path& prefix : python_prefixes()) add_python(prefix, options, candidates);
  return candidates;
}

// ------------------------------------------------------------------------------------------------ TensorRT:
// what

LibraryVersion version_of(void* handle, std::int32_t number) {
  const auto part = [&](const char* symbol, int otherwise) {
    auto* const ask = reinterpret_cast<std::int32_t (*)() noexcept>(dlsym(handle, symbol));
    return ask == nullptr ? otherwise : static_cast<int>(ask());
  };
  // Up to 9 the version number is 1000 major + …, since 10 it is 10000 major + ….
  const int scale = number >= 100000 ? 10000 : 1000;
  LibraryVersion version;
  version.major = part("getInferLibMajorVersion", number / scale);
  version.minor = part("getInferLibMinorVersion", number % scale / 100);
  version.patch = part("getInferLibPatchVersion", number % 100);
  version.build = part("getInferLibBuildVersion", 0);
  return version;
}

constexpr int kMeasuredMinor = 6;  // of TensorRT 10; older ones were neither built with nor run
constexpr int kMinRtxMinor = 7;    // of TensorRT for RTX 1

std::string refusal(const LibraryVersion& version, bool rtx) {
  if (rtx) {
    if (version.major == 1 && version.minor >= kMinRtxMinor) return "";
    return "TensorRT for RTX " + version.text() + " is not one that this build knows (1.7 and newer 1.x). " +
           kInstallRtx;
  }
  if (version.major < 10)
    return "TensorRT " + version.text() + " is too old: engines and the plugin interface changed with 10. " +
           kInstall;
  if (version.major > 11)
    return "TensorRT " + version.text() + " is newer than this build supports (10 and 11). " + kInstall;
  return "";
}

/// What a user of a version should know that is accepted.
std::string warning_about(const LibraryVersion& version, bool rtx) {
  if (rtx || version.major != 10 || version.minor >= kMeasuredMinor) return "";
  return "TensorRT " + version.text() +
         " is older than 10.6, the oldest version with which engines were built and measured. It is used as "
         "it is: its parser and builder say what they do not support, and an engine is checked against "
         "PyTorch's forecasts before it is used. 10.6 or newer is recommended.";
}

/// The driver for plugins: that of the last load. A process has one driver.
std::shared_ptr<const cuda::Driver>& driver_of_plugins() {
  static auto* const driver = new std::shared_ptr<const cuda::Driver>();
  return *driver;
}

/// Registers the operators of cpp/plugins with a library, once. Returns whether they are registered.
bool register_operators(void* handle, int major, const std::shared_ptr<const cuda::Driver>& driver) {
  static std::mutex mutex;
  static auto* const known = new std::map<void*, bool>();
  if (cuda::kernel_image().empty()) return false;
  void* const get_registry = dlsym(handle, "getPluginRegistry");
  if (get_registry == nullptr) return false;
  const std::lock_guard lock(mutex);
  if (driver != nullptr) driver_of_plugins() = driver;
  const auto [entry, is_new] = known->try_emplace(handle, false);
  if (!is_new) return entry->second;
  const auto launcher = []() -> plugins::Launcher* {
    const auto& of_plugins = driver_of_plugins();
    return of_plugins == nullptr ? nullptr : cuda::current_launcher(*of_plugins);
  };
  entry->second = major == 10 ? tensorrt::register_operators_10(get_registry, launcher)
                              : tensorrt::register_operators_11(get_registry, launcher);
  return entry->second;
}

/// Opens one candidate. Returns whether it is usable; `refused` gets the reason if its version is not.
bool take_tensorrt(const Candidate& candidate, Libraries& libraries, std::string& refused) {
  LibraryReport& report = libraries.report;
  Attempt attempt;
  attempt.library = Attempt::Library::TENSORRT;
  attempt.path = candidate.path;
  attempt.source = candidate.source;
  TensorRTLibrary library;
  LibraryVersion version;
  void* const handle = open_library(attempt);
  if (handle != nullptr) {
    auto* const ask = reinterpret_cast<std::int32_t (*)() noexcept>(dlsym(handle, "getInferLibVersion"));
    library.create = dlsym(handle, "createInferRuntime_INTERNAL");
    library.create_builder = dlsym(handle, "createInferBuilder_INTERNAL");
    if (ask == nullptr || library.create == nullptr) {
      attempt.problem =
          "is not a TensorRT runtime: getInferLibVersion or createInferRuntime_INTERNAL is missing";
    } else {
      library.version = ask();
      version = version_of(handle, library.version);
      library.rtx = is_rtx(path_of(library.create, candidate.path));
      attempt.problem = refusal(version, library.rtx);
      if (refused.empty()) refused = attempt.problem;
    }
  }
  attempt.taken = attempt.problem.empty();
  if (attempt.taken) {
    report.tensorrt_path = path_of(library.create, candidate.path);
    report.tensorrt = version;
    report.warning = warning_about(version, library.rtx);
    report.lean = fs::path(report.tensorrt_path).filename().string().find("_lean") != std::string::npos;
    report.rtx = library.rtx;
    if (library.rtx) {
      library.create_runtime = tensorrt::create_runtime_rtx;
      library.make_builder = tensorrt::create_builder_rtx;
    } else if (version.major == 10) {
      library.create_runtime = tensorrt::create_runtime_10;
      library.make_builder = tensorrt::create_builder_10;
    } else {
      library.create_runtime = tensorrt::create_runtime_11;
      library.make_builder = tensorrt::create_builder_11;
    }
    library.has_operators = !library.rtx && register_operators(handle, version.major, libraries.driver);
    libraries.tensorrt = library;
  }
  report.attempts.push_back(attempt);
  return attempt.taken;
}

void open_tensorrt(const LoaderOptions& options, Libraries& libraries) {
  LibraryReport& report = libraries.report;
  std::string refused;
  for (const Candidate& candidate : tensorrt_candidates(options, report)) {
    if (take_tensorrt(candidate, libraries, refused)) return;
  }
  Error problem;
  if (!refused.empty()) {
    problem = {ErrorCode::TENSORRT_VERSION, refused};
  } else {
    problem = {ErrorCode::TENSORRT_NOT_FOUND,
               options.rtx ? "TensorRT for RTX is not found" : "TensorRT is not found"};
    if (!options.tensorrt_path.empty()) problem.message += " in " + options.tensorrt_path;
    if (!report.attempts.empty() && report.attempts.back().source == "option")
      problem.message += " (" + report.attempts.back().problem + ")";
    problem.message += std::string(". ") + (options.rtx ? kInstallRtx : kInstall);
  }
  if (!report.problem) report.problem = std::move(problem);
}

/// The library's own folder and, where pip installed it, the folders of CUDA's parts in the same
/// site-packages.
std::vector<fs::path> folders_of_parts(const fs::path& library) {
  std::vector<fs::path> folders = {library.parent_path()};
  if (!library.is_absolute()) return folders;
  for (const fs::path& part : children(library.parent_path().parent_path() / "nvidia"))
    folders.push_back(part / "lib");
  return folders;
}

}  // namespace

std::string LibraryVersion::text() const {
  std::string all = std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
  if (build != 0) all += "." + std::to_string(build);
  return all;
}

Libraries open_libraries(const LoaderOptions& options) {
  Libraries libraries;
  open_cuda(options, libraries);
  if (libraries.driver != nullptr || options.survey) open_tensorrt(options, libraries);
  return libraries;
}

std::string LibraryReport::name() const {
  return (rtx ? "TensorRT for RTX " : "TensorRT ") + tensorrt.text();
}

Libraries open_tensorrt_only(const LoaderOptions& options) {
  Libraries libraries;
  open_tensorrt(options, libraries);
  return libraries;
}

void open_parts(const LibraryReport& report, Parts parts) {
  const bool builds = parts != Parts::TO_RUN;
  std::vector<std::pair<std::string, int>> wanted = {{"libnvidia-tileiras.so", RTLD_LOCAL},
                                                     {"libnvrtc.so", RTLD_LOCAL},
                                                     {"libnvrtc-builtins.so", RTLD_LOCAL}};
  if (builds) wanted.emplace_back("libnvinfer_builder_resource", RTLD_GLOBAL);
  // It has the names of the full runtime, so it must not become global.
  if (parts == Parts::TO_BUILD_WITH_LEAN_RUNTIME) wanted.emplace_back("libnvinfer_lean.so", RTLD_LOCAL);
  for (const fs::path& folder : folders_of_parts(report.tensorrt_path))
    for (const fs::path& file : children(folder))
      for (const auto& [name, how] : wanted)
        if (file.filename().string().starts_with(name)) tensorrt::open_by_name(file, RTLD_LAZY | how);
}

std::optional<Error> plugins_refused(const LibraryReport& report, const std::vector<std::string>& plugins) {
  if (!report.rtx || plugins.empty()) return std::nullopt;
  return Error{ErrorCode::UNSUPPORTED,
               report.name() +
                   " takes no plugins: its parser ends the process when a graph has one. Leave the option "
                   "plugins out, or use TensorRT, which takes them."};
}

std::optional<tensorrt::ParserLibrary> open_parser(LibraryReport& report) {
  const std::string name = report.rtx
                               ? "libtensorrt_onnxparser_rtx.so." + std::to_string(report.tensorrt.major)
                               : "libnvonnxparser.so." + std::to_string(report.tensorrt.major);
  const fs::path beside = fs::path(report.tensorrt_path).parent_path() / name;
  Attempt attempt;
  attempt.library = Attempt::Library::PARSER;
  attempt.path = is_there(beside) ? beside.string() : name;
  attempt.source = is_there(beside) ? "beside TensorRT" : "loader's path";
  std::optional<tensorrt::ParserLibrary> parser;
  if (void* const handle = open_library(attempt)) {
    void* const create = dlsym(handle, "createNvOnnxParser_INTERNAL");
    auto* const version = reinterpret_cast<int (*)() noexcept>(dlsym(handle, "getNvOnnxParserVersion"));
    attempt.taken = create != nullptr && version != nullptr;
    if (attempt.taken) {
      report.parser_path = path_of(create, attempt.path);
      parser = {create, version()};
    } else {
      attempt.problem = "createNvOnnxParser_INTERNAL or getNvOnnxParserVersion is missing";
    }
  }
  report.attempts.push_back(std::move(attempt));
  return parser;
}

LibraryReport load_libraries(const LoaderOptions& options) {
  LibraryReport report =
      options.without_cuda ? open_tensorrt_only(options).report : open_libraries(options).report;
  // The lean runtime cannot build, and opening a parser would load the full TensorRT into the process.
  if (!report.tensorrt_path.empty() && !report.lean) (void)open_parser(report);
  return report;
}

}  // namespace tft

// Finds and opens ONNX Runtime.
#include "onnxruntime/library.h"

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

namespace tft::onnxruntime {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "libonnxruntime.so.1";
#if defined(__aarch64__)
constexpr const char* kPlatform = "linux/arm64";
#else
constexpr const char* kPlatform = "linux/x64";
#endif

std::atomic<const Library*> opened = nullptr;

/// Files in `folder` that may be the library: a wheel has its full version in the name.
void add_from(const fs::path& folder, std::vector<std::string>& found) {
  std::error_code ignored;
  std::vector<std::string> here;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.path().filename().string().starts_with("libonnxruntime.so")) here.push_back(entry.path());
  std::sort(here.begin(), here.end());
  found.insert(found.end(), here.begin(), here.end());
}

/// onnxruntime-node's library in the folders above `from`, the nearest first.
void add_packages(const fs::path& from, std::vector<std::string>& found) {
  std::error_code ignored;
  for (fs::path folder = from; !folder.empty(); folder = folder.parent_path()) {
    for (const char* place : {"vendor", "node_modules"}) {
      // napi-v3, napi-v6: the versions of its addon, beside which the library is.
      for (const auto& abi : fs::directory_iterator(folder / place / "onnxruntime-node" / "bin", ignored))
        add_from(abi.path() / kPlatform, found);
    }
    if (folder == folder.root_path()) return;
  }
}

std::vector<std::string> candidates(const std::string& path) {
  std::error_code ignored;
  std::vector<std::string> found;
  if (!path.empty()) {
    if (!fs::is_directory(path, ignored)) return {path};
    add_from(path, found);
    return found;
  }
  add_packages(fs::read_symlink("/proc/self/exe", ignored).parent_path(), found);
  add_packages(fs::current_path(ignored), found);
  found.emplace_back(kName);
  return found;
}

std::string try_open(const std::string& path, std::unique_ptr<Library>& library) {
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return dlerror();
  const auto get_base = reinterpret_cast<const ApiBase* (*)()>(dlsym(handle, "OrtGetApiBase"));
  const ApiBase* const base = get_base == nullptr ? nullptr : get_base();
  if (base == nullptr) return path + " is not ONNX Runtime";
  const std::string version = base->get_version();
  const void* const* const table = base->get_api(kApiVersion);
  if (table == nullptr) return path + " is ONNX Runtime " + version + "; 1.17 or newer is needed";
  auto made = std::make_unique<Library>(Library{Api(table), {path, version}});
  for (Status* const status : {made->api.create_env(kLogWarnings, "tft", &made->env),
                               made->api.create_cpu_memory(kArenaAllocator, kDefaultMemory, &made->memory)})
    if (const std::string problem = made->message(status); !problem.empty()) return problem;
  made->message(made->api.disable_telemetry(made->env));
  library = std::move(made);
  return {};
}

}  // namespace

std::string Library::message(Status* status) const {
  if (status == nullptr) return {};
  std::string text = api.error_message(status);
  api.release_status(status);
  return text.empty() ? "ONNX Runtime gives no reason" : text;
}

const Library* library() { return opened; }

}  // namespace tft::onnxruntime

namespace tft {

Result<OnnxRuntimeReport> open_onnxruntime(const std::string& path) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (const auto* library = onnxruntime::opened.load()) {
    const std::filesystem::path open = library->report.path;
    std::error_code ignored;
    if (path.empty() || std::filesystem::equivalent(path, open, ignored) ||
        std::filesystem::equivalent(path, open.parent_path(), ignored))
      return library->report;
    return Error{ErrorCode::BACKEND_UNAVAILABLE, "ONNX Runtime cannot be taken from " + path +
                                                     ": this process runs the one of " + open.string()};
  }
  // Otherwise it sends usage data to its makers.
  setenv("ORT_DISABLE_TELEMETRY", "1", 0);
  std::string tried;
  std::unique_ptr<onnxruntime::Library> library;
  for (const std::string& candidate : onnxruntime::candidates(path)) {
    const std::string problem = onnxruntime::try_open(candidate, library);
    if (problem.empty()) {
      onnxruntime::opened = library.release();
      return onnxruntime::opened.load()->report;
    }
    tried += (tried.empty() ? "" : "; ") + problem;
  }
  return Error{ErrorCode::BACKEND_UNAVAILABLE,
               "ONNX Runtime is missing: name its library (" + std::string(onnxruntime::kName) +
                   ") or the folder that has it, or run 'npm install onnxruntime-node' in the folder of the "
                   "program (" +
                   (tried.empty() ? "no such library in " + path : tried) + ")"};
}

}  // namespace tft

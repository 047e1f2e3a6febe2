// Finds and opens the library that runs LibTorch.
#include "libtorch/library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/no_exceptions.h"

namespace tft::libtorch {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "libtft_libtorch.so";

std::vector<std::string> candidates(const std::string& option) {
  const char* const variable = std::getenv("TFT_LIBTORCH");
  const std::string given = !option.empty() ? option : variable != nullptr ? variable : "";
  if (given.empty()) return {kName};
  std::error_code ignored;
  return {fs::is_directory(given, ignored) ? (fs::path(given) / kName).string() : given};
}

template <class Function>
Function* function_of(void* handle, const char* name) {
  return reinterpret_cast<Function*>(dlsym(handle, name));
}

/// Returns why the file is not taken; empty if it is.
std::string try_open(const std::string& path, Library& library) {
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return dlerror();
  auto* const interface = function_of<TftLibTorchInterface>(handle, TFT_LIBTORCH_INTERFACE_SYMBOL);
  auto* const version = function_of<TftLibTorchVersion>(handle, TFT_LIBTORCH_VERSION_SYMBOL);
  library.load = function_of<TftLibTorchLoad>(handle, TFT_LIBTORCH_LOAD_SYMBOL);
  library.run = function_of<TftLibTorchRun>(handle, TFT_LIBTORCH_RUN_SYMBOL);
  library.free = function_of<TftLibTorchFree>(handle, TFT_LIBTORCH_FREE_SYMBOL);
  if (interface == nullptr || version == nullptr || library.load == nullptr || library.run == nullptr ||
      library.free == nullptr)
    return path + " is not " + kName;
  if (interface() != TFT_LIBTORCH_INTERFACE)
    return path + " has version " + std::to_string(interface()) + " of the interface; version " +
           std::to_string(TFT_LIBTORCH_INTERFACE) + " is needed: build it again";
  library.report = {path, version()};
  return {};
}

}  // namespace

Result<const Library*> open_library(const std::string& path) {
  static std::mutex mutex;
  // By path. Never destroyed, as engines may outlive the exit handlers.
  static auto& opened = *new std::map<std::string, Library>();
  const std::lock_guard lock(mutex);
  std::string tried;
  for (const std::string& candidate : candidates(path)) {
    if (const auto found = opened.find(candidate); found != opened.end()) return &found->second;
    Library library;
    const std::string problem = try_open(candidate, library);
    if (problem.empty()) return &opened.emplace(candidate, library).first->second;
    tried += (tried.empty() ? "" : "; ") + problem;
  }
  return Error{ErrorCode::BACKEND_UNAVAILABLE,
               "LibTorch cannot be used: 'npm run build:libtorch' builds " + std::string(kName) +
                   ", which runs it; the option libtorch.library or the variable TFT_LIBTORCH names one "
                   "elsewhere (" +
                   tried + ")"};
}

}  // namespace tft::libtorch

namespace tft {

Result<LibTorchReport> open_libtorch(const std::string& library) {
  return without_exceptions<LibTorchReport>("opening LibTorch", [&]() -> Result<LibTorchReport> {
    const auto opened = libtorch::open_library(library);
    if (!opened) return opened.error();
    return (*opened)->report;
  });
}

}  // namespace tft

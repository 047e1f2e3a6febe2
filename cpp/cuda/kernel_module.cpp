#include "cuda/kernel_module.h"

#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "plugins/launch.h"

namespace tft::cuda {
namespace {

class KernelModule final : public plugins::Launcher {
 public:
  /// Loads the kernels into the current context; null if that fails.
  static std::unique_ptr<KernelModule> load(const Driver& driver) {
    std::unique_ptr<KernelModule> made(new KernelModule(driver));
    DeviceId device = 0;
    if (driver.context_device(&device) != kSuccess) return nullptr;
    if (driver.device_attribute(&made->multiprocessors_, kMultiprocessors, device) != kSuccess)
      return nullptr;
    if (driver.device_attribute(&made->shared_limit_, kSharedMemoryLimit, device) != kSuccess) return nullptr;
    ModuleHandle module = nullptr;
    if (driver.module_load(&module, kernel_image().data()) != kSuccess) return nullptr;
    for (const char* const name : plugins::kernel_names()) {
      FunctionHandle function = nullptr;
      if (driver.module_function(&function, module, name) != kSuccess) return nullptr;
      if (driver.function_set_attribute(function, kDynamicSharedMemory, made->shared_limit_) != kSuccess)
        return nullptr;
      made->functions_.emplace(name, function);
    }
    return made;
  }

  int multiprocessors() const override { return multiprocessors_; }
  std::size_t shared_limit() const override { return static_cast<std::size_t>(shared_limit_); }
  bool launch(const char* kernel, const plugins::Grid& grid, void* parameters, void* stream) override {
    const auto found = functions_.find(std::string_view(kernel));
    if (found == functions_.end()) return false;
    void* arguments[] = {parameters};
    return driver_.launch_kernel(found->second, static_cast<unsigned>(grid.blocks),
                                 static_cast<unsigned>(grid.rows), 1, static_cast<unsigned>(grid.threads), 1,
                                 1, static_cast<unsigned>(grid.shared_bytes),
                                 static_cast<StreamHandle>(stream), arguments, nullptr) == kSuccess;
  }

 private:
  explicit KernelModule(const Driver& driver) : driver_(driver) {}

  const Driver& driver_;
  int multiprocessors_ = 1;
  int shared_limit_ = 0;
  std::map<std::string, FunctionHandle, std::less<>> functions_;
};

}  // namespace

std::optional<Error> kernel_obstacle(const Driver& driver, DeviceId device) {
  if (kernel_image().empty())
    return Error{ErrorCode::UNSUPPORTED, "this build has no kernels: nvcc was missing when it was built"};
  int version = 0;
  int major = 0;
  if (driver.driver_version(&version) != kSuccess || version < kMinKernelDriver)
    return Error{ErrorCode::UNSUPPORTED, "the NVIDIA driver is for CUDA " + std::to_string(version / 1000) +
                                             "." + std::to_string(version % 1000 / 10) +
                                             ", and the kernels need a driver for CUDA 13.0 or newer (580)"};
  if (driver.device_attribute(&major, kComputeCapabilityMajor, device) != kSuccess ||
      major < kMinComputeMajor)
    return Error{ErrorCode::UNSUPPORTED,
                 "the kernels need a GPU of compute capability 8.0 or newer, and this one has " +
                     std::to_string(major)};
  return std::nullopt;
}

plugins::Launcher* current_launcher(const Driver& driver) {
  static std::mutex mutex;
  static auto* const modules = new std::map<ContextHandle, std::unique_ptr<KernelModule>>();
  ContextHandle context = nullptr;
  if (driver.context_current(&context) != kSuccess || context == nullptr) return nullptr;
  const std::lock_guard lock(mutex);
  auto& module = (*modules)[context];
  if (module == nullptr) module = KernelModule::load(driver);
  return module.get();
}

}  // namespace tft::cuda

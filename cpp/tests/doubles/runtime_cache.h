// The run-time cache of the double of TensorRT for RTX, and the configuration of its execution contexts. The
// real one compiles kernels for each shape where a plan runs; the double counts that as calls of `jit`.
#pragma once
#include <atomic>
#include <mutex>
#include <set>
#include <sstream>
#include <string>

#include "build_parts.h"

namespace doubles {

/// The kernels that were compiled, by the plan and the shapes.
struct Kernels {
  std::mutex mutex;
  std::set<std::string> compiled;
  std::atomic<int> contexts{0};  // that use it

  /// Returns the code of the fault that fires; the cache then stays as it is.
  int compile(const CudaLink& cuda, const std::string& kernel) {
    const std::lock_guard lock(mutex);
    if (compiled.contains(kernel)) return success;
    if (const int code = cuda.call("jit")) return code;
    compiled.insert(kernel);
    return success;
  }
};

class RuntimeCache final : public nvinfer1::IRuntimeCache, public nvinfer1::apiv::VRuntimeCache {
 public:
  RuntimeCache(const CudaLink& cuda, ILogger& logger) : cuda_(cuda), logger_(logger) {
    mImpl = this;
    cuda_.count_created("runtime cache");
  }
  ~RuntimeCache() noexcept override {
    if (kernels->contexts > 0) cuda_.violation("a run-time cache deleted before a context that uses it");
    cuda_.count_freed("runtime cache");
  }
  nvinfer1::IHostMemory* serialize() const noexcept override {
    if (fails(cuda_, logger_, "serialize")) return nullptr;
    const std::lock_guard lock(kernels->mutex);
    std::string text = head() + std::to_string(cuda_.setting("cuda_version")) + "\n";
    for (const std::string& kernel : kernels->compiled) text += kernel + "\n";
    return new HostMemory(cuda_, text + checksum(text));
  }
  bool deserialize(void const* bytes, std::size_t size) noexcept override {
    if (fails(cuda_, logger_, "deserialize")) return false;
    constexpr std::size_t digits = 8;
    const std::string all(static_cast<const char*>(bytes), size);
    const std::string text = all.substr(0, size < digits ? 0 : size - digits);
    if (text.empty() || checksum(text) != all.substr(text.size())) return refuse("it is damaged");
    if (!text.starts_with(head())) return refuse("it is of another version or GPU");
    std::istringstream lines(text.substr(head().size()));
    std::int64_t cuda_version = 0;
    lines >> cuda_version >> std::ws;
    if (cuda_version > cuda_.setting("cuda_version")) return refuse("it is of a newer driver");
    const std::lock_guard lock(kernels->mutex);
    for (std::string kernel; std::getline(lines, kernel);) kernels->compiled.insert(kernel);
    return true;
  }
  bool reset() noexcept override {
    unmodelled("reset of a run-time cache");
    return false;
  }

  const std::shared_ptr<Kernels> kernels = std::make_shared<Kernels>();

 private:
  std::string head() const {
    return "tft-double-runtime-cache 1\n" + Version().text() + "\n" + gpu_text(cuda_) + "\n";
  }
  bool refuse(const char* why) const {
    log_error(logger_, std::string("IRuntimeCache::deserialize: Error Code 1: Serialization (") + why + ")");
    return false;
  }

  const CudaLink& cuda_;
  ILogger& logger_;
};

class RuntimeConfig final : public nvinfer1::IRuntimeConfig, public nvinfer1::apiv::VRuntimeConfig {
 public:
  using Allocation = nvinfer1::ExecutionContextAllocationStrategy;
  using Specialization = nvinfer1::DynamicShapesKernelSpecializationStrategy;

  RuntimeConfig(const CudaLink& cuda, ILogger& logger) : cuda_(cuda), logger_(logger) {
    mImpl = this;
    cuda_.count_created("runtime config");
  }
  ~RuntimeConfig() noexcept override { cuda_.count_freed("runtime config"); }
  nvinfer1::IRuntimeConfig* getPImpl() noexcept override { return this; }
  void setExecutionContextAllocationStrategy(Allocation value) noexcept override { allocation = value; }
  Allocation getExecutionContextAllocationStrategy() const noexcept override { return allocation; }
  nvinfer1::IRuntimeCache* createRuntimeCache() const noexcept override {
    if (fails(cuda_, logger_, "createRuntimeCache")) return nullptr;
    return new RuntimeCache(cuda_, logger_);
  }
  bool setRuntimeCache(nvinfer1::IRuntimeCache const& cache) noexcept override {
    if (fails(cuda_, logger_, "setRuntimeCache")) return false;
    kernels = static_cast<const RuntimeCache&>(cache).kernels;
    return true;
  }
  nvinfer1::IRuntimeCache* getRuntimeCache() const noexcept override {
    unmodelled("getRuntimeCache");
    return nullptr;
  }
  void setDynamicShapesKernelSpecializationStrategy(Specialization value) noexcept override {
    specialization = value;
  }
  Specialization getDynamicShapesKernelSpecializationStrategy() const noexcept override {
    return specialization;
  }
  bool setCudaGraphStrategy(nvinfer1::CudaGraphStrategy) noexcept override {
    unmodelled("setCudaGraphStrategy");
    return false;
  }
  nvinfer1::CudaGraphStrategy getCudaGraphStrategy() const noexcept override {
    unmodelled("getCudaGraphStrategy");
    return nvinfer1::CudaGraphStrategy::kDISABLED;
  }

  Allocation allocation = Allocation::kSTATIC;
  Specialization specialization = Specialization::kLAZY;
  std::shared_ptr<Kernels> kernels;  // null without a cache

 private:
  const CudaLink& cuda_;
  ILogger& logger_;
};

}  // namespace doubles

// The objects of a build with the double: network, profiles, timing cache, configuration. builder.cpp builds.
#pragma once
#include <NvInfer.h>

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "library.h"
#include "network.h"
#include "plan.h"
#include "plugin_registry.h"
#include "unmodelled_builder.h"

namespace doubles {

/// Bytes that TensorRT returns.
class HostMemory final : public nvinfer1::IHostMemory, public nvinfer1::apiv::VHostMemory {
 public:
  HostMemory(const CudaLink& cuda, std::string bytes) : cuda_(cuda), bytes_(std::move(bytes)) {
    mImpl = this;
    cuda_.count_created("host memory");
  }
  ~HostMemory() noexcept override { cuda_.count_freed("host memory"); }
  void* data() const noexcept override { return const_cast<char*>(bytes_.data()); }
  std::size_t size() const noexcept override { return bytes_.size(); }
  DataType type() const noexcept override { return DataType::kINT8; }

 private:
  const CudaLink& cuda_;
  std::string bytes_;
};

class Tensor final : public nvinfer1::ITensor, public UnmodelledTensor {
 public:
  explicit Tensor(PlanTensor tensor) : tensor_(std::move(tensor)) { mImpl = this; }
  char const* getName() const noexcept override { return tensor_.name.c_str(); }
  Dims getDimensions() const noexcept override { return to_dims(tensor_.dims); }
  DataType getType() const noexcept override { return data_type(tensor_.type); }

 private:
  PlanTensor tensor_;
};

class Network final : public FillableNetwork, public UnmodelledNetwork {
 public:
  Network(const CudaLink& cuda, std::atomic<int>& alive, PluginRegistry& registry, bool strongly_typed)
      : strong(strongly_typed), cuda_(cuda), alive_(alive), registry_(registry) {
    mImpl = this;
    ++alive_;
    cuda_.count_created("network");
  }
  ~Network() noexcept override {
    if (parsers > 0) cuda_.violation("a network deleted before its parser");
    --alive_;
    cuda_.count_freed("network");
  }
  void fill(const OnnxModel& model, const std::string& hash, const std::string& folder) override {
    onnx = hash;
    samples = folder;
    tensors = model.tensors;
    for (const OnnxNode& node : model.nodes) operators.insert(node.op);
    for (const PlanTensor& tensor : tensors)
      (tensor.input ? inputs_ : outputs_).push_back(std::make_unique<Tensor>(tensor));
  }
  bool add_plugin(const OnnxNode& node) override {
    auto plugin = registry_.plugin_of(node);
    if (plugin) plugins.push_back(std::move(*plugin));
    return plugin.has_value();
  }
#ifdef TFT_DOUBLE_RTX
  std::int32_t getNbLayers() const noexcept override { return 0; }  // the double makes none
#endif
  std::int32_t getNbInputs() const noexcept override { return static_cast<std::int32_t>(inputs_.size()); }
  std::int32_t getNbOutputs() const noexcept override { return static_cast<std::int32_t>(outputs_.size()); }
  nvinfer1::ITensor* getInput(std::int32_t index) const noexcept override { return at(inputs_, index); }
  nvinfer1::ITensor* getOutput(std::int32_t index) const noexcept override { return at(outputs_, index); }

  const bool strong;
  std::string onnx;
  std::string samples;
  std::vector<PlanTensor> tensors;
  std::vector<PlanPlugin> plugins;

 private:
  using Tensors = std::vector<std::unique_ptr<Tensor>>;
  static nvinfer1::ITensor* at(const Tensors& all, std::int32_t index) {
    return index >= 0 && static_cast<std::size_t>(index) < all.size()
               ? all[static_cast<std::size_t>(index)].get()
               : nullptr;
  }

  const CudaLink& cuda_;
  std::atomic<int>& alive_;
  PluginRegistry& registry_;
  Tensors inputs_;
  Tensors outputs_;
};

class Profile final : public nvinfer1::IOptimizationProfile, public UnmodelledProfile {
 public:
  Profile(const CudaLink& cuda, ILogger& logger) : cuda_(cuda), logger_(logger) { mImpl = this; }
  bool setDimensions(char const* input, nvinfer1::OptProfileSelector which,
                     Dims const& dims) noexcept override {
    if (fails(cuda_, logger_, "setDimensions")) return false;
    ranges[input][static_cast<std::size_t>(which)] = from_dims(dims);
    return true;
  }
  bool isValid() const noexcept override {
    for (const auto& [input, range] : ranges) {
      if (range[0].size() != range[1].size() || range[1].size() != range[2].size()) return false;
      for (std::size_t i = 0; i < range[0].size(); ++i)
        if (range[0][i] > range[1][i] || range[1][i] > range[2][i]) return false;
    }
    return !ranges.empty();
  }

  std::map<std::string, PlanRange> ranges;

 private:
  const CudaLink& cuda_;
  ILogger& logger_;
};

/// The content of a timing cache: a text with its version, its GPU and the models that were built.
struct Timings {
  std::string version;
  std::string gpu;
  std::set<std::string> models;
  bool alive = true;
};

class TimingCache final : public nvinfer1::ITimingCache, public UnmodelledTimingCache {
 public:
  TimingCache(const CudaLink& cuda, ILogger& logger, std::shared_ptr<Timings> content)
      : timings(std::move(content)), cuda_(cuda), logger_(logger) {
    mImpl = this;
    cuda_.count_created("timing cache");
  }
  ~TimingCache() noexcept override {
    timings->alive = false;
    cuda_.count_freed("timing cache");
  }
  nvinfer1::IHostMemory* serialize() const noexcept override {
    if (fails(cuda_, logger_, "serialize")) return nullptr;
    std::string text = first_line + timings->version + "\n" + timings->gpu + "\n";
    for (const std::string& model : timings->models) text += model + "\n";
    return new HostMemory(cuda_, text + checksum(text));
  }
  /// Null if the bytes are not a complete cache.
  static std::shared_ptr<Timings> read(const std::string& bytes);

  const std::shared_ptr<Timings> timings;

 private:
  static const std::string first_line;
  const CudaLink& cuda_;
  ILogger& logger_;
};

class Config final : public nvinfer1::IBuilderConfig, public UnmodelledConfig {
 public:
  Config(const CudaLink& cuda, ILogger& logger, std::atomic<int>& alive)
      : cuda_(cuda), logger_(logger), alive_(alive) {
    mImpl = this;
    ++alive_;
    cuda_.count_created("builder config");
  }
  ~Config() noexcept override {
    --alive_;
    cuda_.count_freed("builder config");
  }
  void setFlag(nvinfer1::BuilderFlag flag) noexcept override { flags.insert(flag); }
  void clearFlag(nvinfer1::BuilderFlag flag) noexcept override { flags.erase(flag); }
  void setMemoryPoolLimit(nvinfer1::MemoryPoolType pool, std::size_t bytes) noexcept override {
    if (pool == nvinfer1::MemoryPoolType::kWORKSPACE) workspace = bytes;
  }
  void setBuilderOptimizationLevel(std::int32_t value) noexcept override { level = value; }
  void setProfilingVerbosity(nvinfer1::ProfilingVerbosity value) noexcept override { verbosity = value; }
  void setHardwareCompatibilityLevel(nvinfer1::HardwareCompatibilityLevel value) noexcept override {
    if (!fails(cuda_, logger_, "setHardwareCompatibilityLevel")) hardware = value;
  }
  nvinfer1::HardwareCompatibilityLevel getHardwareCompatibilityLevel() const noexcept override {
    return hardware;
  }
  void setProgressMonitor(nvinfer1::IProgressMonitor* value) noexcept override { monitor = value; }
  std::int32_t addOptimizationProfile(nvinfer1::IOptimizationProfile const* profile) noexcept override {
    if (fails(cuda_, logger_, "addOptimizationProfile")) return -1;
    if (profile == nullptr || !profile->isValid()) return -1;
    profiles.push_back(static_cast<const Profile*>(profile)->ranges);
    return static_cast<std::int32_t>(profiles.size()) - 1;
  }
  nvinfer1::ITimingCache* createTimingCache(void const* bytes, std::size_t size) const noexcept override;
  bool setTimingCache(nvinfer1::ITimingCache const& cache, bool ignore_mismatch) noexcept override;
  nvinfer1::ITimingCache const* getTimingCache() const noexcept override { return cache_; }

#ifdef TFT_DOUBLE_RTX
  bool setNbComputeCapabilities(std::int32_t count) noexcept override {
    if (fails(cuda_, logger_, "setNbComputeCapabilities") || count < 0) return false;
    targets.resize(static_cast<std::size_t>(count), 0);
    return true;
  }
  bool setComputeCapability(nvinfer1::ComputeCapability target, std::int32_t index) noexcept override {
    if (fails(cuda_, logger_, "setComputeCapability")) return false;
    if (index < 0 || static_cast<std::size_t>(index) >= targets.size()) return false;
    if (target == nvinfer1::ComputeCapability::kCURRENT && targets.size() != 1) return false;
    targets[static_cast<std::size_t>(index)] = static_cast<int>(target);
    return true;
  }
#endif

  std::vector<int> targets;  // TensorRT for RTX's compute capabilities: 0 is none, 1 the current GPU's
  std::set<nvinfer1::BuilderFlag> flags{nvinfer1::BuilderFlag::kTF32};
  std::size_t workspace = 0;
  int level = 3;
  nvinfer1::ProfilingVerbosity verbosity = nvinfer1::ProfilingVerbosity::kLAYER_NAMES_ONLY;
  nvinfer1::HardwareCompatibilityLevel hardware = nvinfer1::HardwareCompatibilityLevel::kNONE;
  nvinfer1::IProgressMonitor* monitor = nullptr;
  std::vector<std::map<std::string, PlanRange>> profiles;
  std::shared_ptr<Timings> timings;

 private:
  const CudaLink& cuda_;
  ILogger& logger_;
  std::atomic<int>& alive_;
  nvinfer1::ITimingCache const* cache_ = nullptr;
};

/// The current GPU, as named in caches and plans.
std::string gpu_text(const CudaLink& cuda);

}  // namespace doubles

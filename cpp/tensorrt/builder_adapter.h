// The body of tensorrt_10.cpp, tensorrt_11.cpp and tensorrt_rtx.cpp for the builder: the interface of
// builder_api.h over NvInfer.h and NvOnnxParser.h. Include it after adapter.h. Call only functions that
// TensorRT 10.0 has.
#include <array>

#include "tensorrt/builder_api.h"

namespace tft::tensorrt {
namespace {

// Flags that are deprecated in 10 and removed in 11; builder.cpp refuses them with 11.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#if TFT_TENSORRT_MAJOR == 10
void set_precision_flags(nvinfer1::IBuilderConfig& config, const BuildOptions& options) {
  if (options.fp16) config.setFlag(nvinfer1::BuilderFlag::kFP16);
  if (options.int8) config.setFlag(nvinfer1::BuilderFlag::kINT8);
}
#else
void set_precision_flags(nvinfer1::IBuilderConfig&, const BuildOptions&) {}
#endif

nvinfer1::NetworkDefinitionCreationFlags network_flags(bool strongly_typed) {
  return strongly_typed
             ? 1U << static_cast<unsigned>(nvinfer1::NetworkDefinitionCreationFlag::kSTRONGLY_TYPED)
             : 0U;
}
#pragma GCC diagnostic pop

#ifndef TFT_TENSORRT_RTX
nvinfer1::HardwareCompatibilityLevel hardware_level(HardwareCompatibility level) {
  switch (level) {
    case HardwareCompatibility::AMPERE_PLUS:
      return nvinfer1::HardwareCompatibilityLevel::kAMPERE_PLUS;
    case HardwareCompatibility::SAME_COMPUTE_CAPABILITY:
      return nvinfer1::HardwareCompatibilityLevel::kSAME_COMPUTE_CAPABILITY;
    case HardwareCompatibility::NONE:
      break;
  }
  return nvinfer1::HardwareCompatibilityLevel::kNONE;
}
#endif

nvinfer1::Dims to_dims(const std::vector<std::int64_t>& values) {
  nvinfer1::Dims dims{};
  dims.nbDims = static_cast<std::int32_t>(std::min<std::size_t>(values.size(), nvinfer1::Dims::MAX_DIMS));
  std::copy_n(values.begin(), dims.nbDims, dims.d);
  return dims;
}

const char* code_name_of(nvonnxparser::ErrorCode code) {
  constexpr std::array kNames = {"SUCCESS",
                                 "INTERNAL_ERROR",
                                 "MEM_ALLOC_FAILED",
                                 "MODEL_DESERIALIZE_FAILED",
                                 "INVALID_VALUE",
                                 "INVALID_GRAPH",
                                 "INVALID_NODE",
                                 "UNSUPPORTED_GRAPH",
                                 "UNSUPPORTED_NODE",
                                 "UNSUPPORTED_NODE_ATTR",
                                 "UNSUPPORTED_NODE_INPUT",
                                 "UNSUPPORTED_NODE_DATATYPE",
                                 "UNSUPPORTED_NODE_DYNAMIC",
                                 "UNSUPPORTED_NODE_SHAPE",
                                 "REFIT_FAILED"};
  const auto index = static_cast<std::size_t>(code);
  return index < kNames.size() ? kNames[index] : "";
}

std::string text_or_empty(const char* text) { return text == nullptr ? "" : text; }

ParserError describe(const nvonnxparser::IParserError& error) {
  ParserError made;
  made.node = error.node();
  made.name = text_or_empty(error.nodeName());
  made.op = text_or_empty(error.nodeOperator());
  made.what = text_or_empty(error.desc());
  made.code = code_name_of(error.code());
  made.place = text_or_empty(error.file());
  made.place = made.place.substr(made.place.rfind('/') + 1);
  if (!made.place.empty()) made.place += ":" + std::to_string(error.line());
  return made;
}

class MonitorBridge final : public nvinfer1::IProgressMonitor {
 public:
  explicit MonitorBridge(BuildMonitor& monitor) : monitor_(monitor) {}
  void phaseStart(char const* phase, char const* parent, std::int32_t steps) noexcept override {
    monitor_.start(phase, parent, steps);
  }
  bool stepComplete(char const* phase, std::int32_t step) noexcept override {
    return monitor_.step(phase, step);
  }
  void phaseFinish(char const* phase) noexcept override { monitor_.finish(phase); }

 private:
  BuildMonitor& monitor_;
};

class AdaptedBuilder final : public Builder {
 public:
  explicit AdaptedBuilder(nvinfer1::IBuilder* builder) : builder_(builder) {}

  bool load_plugins(const std::string& library) override {
    return load_plugin_library(builder_->getPluginRegistry(), library);
  }
  bool make_network(bool strongly_typed) override {
    network_.reset(builder_->createNetworkV2(network_flags(strongly_typed)));
    return network_ != nullptr;
  }
  bool parse(const ParserLibrary& parser, const std::string& onnx, std::string_view content,
             std::vector<ParserError>& errors) override {
    using Create = void* (*)(void* network, void* logger, int version) noexcept;
    parser_.reset(static_cast<nvonnxparser::IParser*>(
        reinterpret_cast<Create>(parser.create)(network_.get(), &process_logger(), parser.version)));
    if (parser_ == nullptr) return false;
    // The path is needed even with the content, because weights may be in other files of its folder.
    const bool parsed =
        content.empty()
            ? parser_->parseFromFile(onnx.c_str(), static_cast<int>(nvinfer1::ILogger::Severity::kWARNING))
            : parser_->parse(content.data(), content.size(), onnx.c_str());
    for (int i = 0; i < parser_->getNbErrors(); ++i)
      if (const auto* const error = parser_->getError(i)) errors.push_back(describe(*error));
    return parsed;
  }
  std::vector<TensorInfo> network_tensors() const override {
    std::vector<TensorInfo> all;
    const auto add = [&](const nvinfer1::ITensor* tensor, bool input) {
      if (tensor == nullptr) return;
      all.push_back({text_or_empty(tensor->getName()), input, type_name(tensor->getType()),
                     from_dims(tensor->getDimensions()), true});
    };
    for (std::int32_t i = 0; i < network_->getNbInputs(); ++i) add(network_->getInput(i), true);
    for (std::int32_t i = 0; i < network_->getNbOutputs(); ++i) add(network_->getOutput(i), false);
    return all;
  }
  std::vector<NetworkLayer> network_layers() const override {
    std::vector<NetworkLayer> all;
    for (std::int32_t i = 0; i < network_->getNbLayers(); ++i) {
      const nvinfer1::ILayer* const layer = network_->getLayer(i);
      if (layer == nullptr || layer->getNbOutputs() == 0 || layer->getOutput(0) == nullptr) continue;
      all.push_back({text_or_empty(layer->getName()), type_name(layer->getOutput(0)->getType())});
    }
    return all;
  }
  bool configure(const BuildOptions& options) override {
    config_.reset(builder_->createBuilderConfig());
    if (config_ == nullptr) return false;
    const auto set = [&](nvinfer1::BuilderFlag flag, bool wanted) {
      wanted ? config_->setFlag(flag) : config_->clearFlag(flag);
    };
    set(nvinfer1::BuilderFlag::kTF32, options.tf32);  // TensorRT allows TF32 by default
    set(nvinfer1::BuilderFlag::kREFIT, options.refittable);
    set(nvinfer1::BuilderFlag::kVERSION_COMPATIBLE, options.version_compatible);
    set(nvinfer1::BuilderFlag::kEXCLUDE_LEAN_RUNTIME,
        options.version_compatible && options.exclude_lean_runtime);
    set_precision_flags(*config_, options);
    if (!set_targets(options.targets)) return false;
    config_->setMemoryPoolLimit(nvinfer1::MemoryPoolType::kWORKSPACE, options.workspace_bytes);
    config_->setBuilderOptimizationLevel(options.optimization_level);
#ifndef TFT_TENSORRT_RTX  // RTX plans are for all GPUs of the targets
    config_->setHardwareCompatibilityLevel(hardware_level(options.hardware_compatibility));
#endif
    config_->setProfilingVerbosity(options.detailed_layers ? nvinfer1::ProfilingVerbosity::kDETAILED
                                                           : nvinfer1::ProfilingVerbosity::kLAYER_NAMES_ONLY);
    return true;
  }
  bool has_hardware_compatibility(HardwareCompatibility level) const override {
#ifdef TFT_TENSORRT_RTX
    return level == HardwareCompatibility::NONE;
#else
    return config_->getHardwareCompatibilityLevel() == hardware_level(level);
#endif
  }
  bool add_profile(std::span<const InputRange> inputs) override {
    auto* const profile = builder_->createOptimizationProfile();  // owned by the builder
    if (profile == nullptr) return false;
    for (const auto& [input, range] : inputs) {
      const auto set = [&, name = input.c_str()](nvinfer1::OptProfileSelector which,
                                                 const std::vector<std::int64_t>& dims) {
        return profile->setDimensions(name, which, to_dims(dims));
      };
      if (!set(nvinfer1::OptProfileSelector::kMIN, range.min) ||
          !set(nvinfer1::OptProfileSelector::kOPT, range.opt) ||
          !set(nvinfer1::OptProfileSelector::kMAX, range.max))
        return false;
    }
    return profile->isValid() && config_->addOptimizationProfile(profile) >= 0;
  }
#ifdef TFT_TENSORRT_RTX
  // RTX times no layers in a build; it tunes on the GPU that runs the plan.
  bool use_timing_cache(std::span<const std::byte>) override { return true; }
  std::vector<std::byte> timing_cache() const override { return {}; }
#else
  bool use_timing_cache(std::span<const std::byte> content) override {
    std::unique_ptr<nvinfer1::ITimingCache> cache(config_->createTimingCache(content.data(), content.size()));
    if (cache == nullptr || !config_->setTimingCache(*cache, false)) return false;
    timing_cache_ = std::move(cache);
    return true;
  }
  std::vector<std::byte> timing_cache() const override {
    const auto* const cache = config_->getTimingCache();
    if (cache == nullptr) return {};
    const std::unique_ptr<nvinfer1::IHostMemory> content(cache->serialize());
    return content == nullptr ? std::vector<std::byte>() : content_of(*content);
  }
#endif
  std::optional<std::vector<std::byte>> build(BuildMonitor& monitor) override {
    MonitorBridge bridge(monitor);
    config_->setProgressMonitor(&bridge);
    const std::unique_ptr<nvinfer1::IHostMemory> plan(builder_->buildSerializedNetwork(*network_, *config_));
    config_->setProgressMonitor(nullptr);
    if (plan == nullptr) return std::nullopt;
    return content_of(*plan);
  }

 private:
  /// The GPUs to build for, by compute capability; without any, the one that is here.
#ifdef TFT_TENSORRT_RTX
  bool set_targets(std::span<const int> targets) {
    using nvinfer1::ComputeCapability;
    if (targets.empty())
      return config_->setNbComputeCapabilities(1) &&
             config_->setComputeCapability(ComputeCapability::kCURRENT, 0);
    if (!config_->setNbComputeCapabilities(static_cast<std::int32_t>(targets.size()))) return false;
    for (std::size_t i = 0; i < targets.size(); ++i)
      if (!config_->setComputeCapability(static_cast<ComputeCapability>(targets[i]),
                                         static_cast<std::int32_t>(i)))
        return false;
    return true;
  }
#else
  static bool set_targets(std::span<const int> targets) { return targets.empty(); }
#endif

  // Destroyed in reverse order: the parser after the build, because its memory contains the network's
  // weights, and the builder after everything that it made.
  std::unique_ptr<nvinfer1::IBuilder> builder_;
  std::unique_ptr<nvinfer1::INetworkDefinition> network_;
  std::unique_ptr<nvonnxparser::IParser> parser_;
#ifndef TFT_TENSORRT_RTX
  std::unique_ptr<nvinfer1::ITimingCache> timing_cache_;
#endif
  std::unique_ptr<nvinfer1::IBuilderConfig> config_;
};

std::unique_ptr<Builder> create_builder(void* create, std::int32_t version) {
  using Create = void* (*)(void* logger, std::int32_t version) noexcept;
  auto* const builder =
      static_cast<nvinfer1::IBuilder*>(reinterpret_cast<Create>(create)(&process_logger(), version));
  if (builder == nullptr) return nullptr;
  return std::make_unique<AdaptedBuilder>(builder);
}

}  // namespace
}  // namespace tft::tensorrt

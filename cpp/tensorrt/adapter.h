// The body of tensorrt_10.cpp, tensorrt_11.cpp and tensorrt_rtx.cpp: the interface of api.h over NvInfer.h.
//
// Each includes this file once, compiled with -Dnvinfer1=trt10, trt11 or trt_rtx, so that their classes have
// distinct names in one binary. TFT_TENSORRT_MAJOR (and TFT_TENSORRT_RTX for RTX) must be defined and
// NvInfer.h included before. Call only functions that 10.0 has, except behind `kAddedIn10_1`: within a major
// version the ABI only grows, so newer headers work with older libraries.
#include <dlfcn.h>

#include <algorithm>
#include <iterator>

#include "tensorrt/api.h"
#include "tensorrt/log_scope.h"

#if NV_TENSORRT_MAJOR != TFT_TENSORRT_MAJOR
#error "the headers and this translation unit are for different major versions of TensorRT"
#endif

namespace tft::tensorrt {
namespace {

class Logger final : public nvinfer1::ILogger {
 public:
  void log(Severity severity, nvinfer1::AsciiChar const* text) noexcept override {
    switch (severity) {
      case Severity::kINTERNAL_ERROR:
      case Severity::kERROR:
        return LogScope::receive(LogLevel::ERROR, text);
      case Severity::kWARNING:
        return LogScope::receive(LogLevel::WARN, text);
      case Severity::kINFO:
        return LogScope::receive(LogLevel::INFO, text);
      case Severity::kVERBOSE:
        return;
    }
  }
};

/// Never destroyed: TensorRT keeps its first logger, and may log while the process exits.
Logger& process_logger() {
  static Logger* const logger = std::make_unique<Logger>().release();
  return *logger;
}

std::vector<std::byte> content_of(const nvinfer1::IHostMemory& memory) {
  const auto* const bytes = static_cast<const std::byte*>(memory.data());
  return {bytes, bytes + memory.size()};
}

std::vector<std::int64_t> from_dims(const nvinfer1::Dims& dims) {
  if (dims.nbDims < 0) return {};
  return {dims.d, dims.d + dims.nbDims};
}

std::string type_name(nvinfer1::DataType type) {
  constexpr const char* kNames[] = {"float32", "float16",  "int8",  "int32", "bool",   "uint8",
                                    "float8",  "bfloat16", "int64", "int4",  "float4", "e8m0"};
  const auto index = static_cast<std::size_t>(type);
  return index < std::size(kNames) ? kNames[index] : "type " + std::to_string(index);
}

/// Registers a library's creators with this registry (a runtime's or a builder's); older libraries register
/// themselves when opened. A library stays open until the process ends, because its plugins may live that
/// long.
bool load_plugin_library(nvinfer1::IPluginRegistry& registry, const std::string& library) {
  void* const handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    process_logger().log(nvinfer1::ILogger::Severity::kERROR, dlerror());
    return false;
  }
  if (dlsym(handle, "getCreators") == nullptr && dlsym(handle, "getPluginCreators") == nullptr) return true;
  return registry.loadLibrary(library.c_str()) != nullptr;
}

// TensorRT 10.1 added the functions for memory of more than 2 GiB, and that of single shapes. A call of one
// in 10.0 would end the process.
#if TFT_TENSORRT_MAJOR == 10
constexpr std::int32_t kAddedIn10_1 = 100100;  // as getInferLibVersion has it
#endif

class AdaptedContext final : public Context {
 public:
#ifdef TFT_TENSORRT_RTX
  AdaptedContext(nvinfer1::IExecutionContext* context, std::unique_ptr<nvinfer1::IRuntimeConfig> config)
      : config_(std::move(config)), context_(context) {}
#else
  AdaptedContext(nvinfer1::IExecutionContext* context, std::int32_t version)
      : version_(version), context_(context) {}
#endif

  bool set_profile(int profile, cuda::StreamHandle stream) override {
    return context_->setOptimizationProfileAsync(profile, stream);
  }
  std::int64_t activation_bytes() override {
#if TFT_TENSORRT_MAJOR == 10
    if (version_ < kAddedIn10_1) return 0;
#endif
    return static_cast<std::int64_t>(context_->updateDeviceMemorySizeForShapes());
  }
  void set_activation_memory(void* memory, std::int64_t bytes) override {
#if TFT_TENSORRT_MAJOR == 10
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    if (version_ < kAddedIn10_1) return context_->setDeviceMemory(memory);
#pragma GCC diagnostic pop
#endif
    context_->setDeviceMemoryV2(memory, bytes);
  }
  bool set_input_shape(const std::string& name, std::span<const std::int64_t> dims) override {
    nvinfer1::Dims shape{};
    shape.nbDims = static_cast<std::int32_t>(dims.size());
    std::copy(dims.begin(), dims.end(), shape.d);
    return context_->setInputShape(name.c_str(), shape);
  }
  bool set_address(const std::string& name, void* memory) override {
    return context_->setTensorAddress(name.c_str(), memory);
  }
  bool enqueue(cuda::StreamHandle stream) override { return context_->enqueueV3(stream); }
  bool time_layers(LayerTimes* times) override {
    profiler_.times = times;
    context_->setProfiler(times == nullptr ? nullptr : &profiler_);
    return (context_->getProfiler() != nullptr) == (times != nullptr);
  }

 private:
  struct Profiler final : nvinfer1::IProfiler {
    void reportLayerTime(char const* layer, float milliseconds) noexcept override {
      if (times != nullptr && layer != nullptr) times->add(layer, milliseconds);
    }
    LayerTimes* times = nullptr;
  };

  Profiler profiler_;  // outlives the context that calls it
#ifdef TFT_TENSORRT_RTX
  std::unique_ptr<nvinfer1::IRuntimeConfig> config_;
#else
  [[maybe_unused]] const std::int32_t version_;
#endif
  std::unique_ptr<nvinfer1::IExecutionContext> context_;
};

class AdaptedEngine final : public Engine {
 public:
  AdaptedEngine(nvinfer1::ICudaEngine* engine, std::int32_t version) : version_(version), engine_(engine) {}

  std::vector<TensorInfo> tensors() const override {
    std::vector<TensorInfo> all(static_cast<std::size_t>(std::max(0, engine_->getNbIOTensors())));
    for (std::size_t i = 0; i < all.size(); ++i) {
      const char* const name = engine_->getIOTensorName(static_cast<std::int32_t>(i));
      if (name == nullptr) continue;
      all[i] = {name, engine_->getTensorIOMode(name) == nvinfer1::TensorIOMode::kINPUT,
                type_name(engine_->getTensorDataType(name)), from_dims(engine_->getTensorShape(name)),
                engine_->getTensorLocation(name) == nvinfer1::TensorLocation::kDEVICE};
    }
    return all;
  }
  int profiles() const override { return engine_->getNbOptimizationProfiles(); }
  ProfileRange profile_range(const std::string& input, int profile) const override {
    const auto dims = [&](nvinfer1::OptProfileSelector which) {
      return from_dims(engine_->getProfileShape(input.c_str(), profile, which));
    };
    return {dims(nvinfer1::OptProfileSelector::kMIN), dims(nvinfer1::OptProfileSelector::kOPT),
            dims(nvinfer1::OptProfileSelector::kMAX)};
  }
  std::int64_t activation_bytes(int profile) const override {
#if TFT_TENSORRT_MAJOR == 10
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    if (version_ < kAddedIn10_1)
      return static_cast<std::int64_t>(engine_->getDeviceMemorySizeForProfile(profile));
#pragma GCC diagnostic pop
#endif
    return engine_->getDeviceMemorySizeForProfileV2(profile);
  }
#ifdef TFT_TENSORRT_RTX
  std::unique_ptr<Context> create_context() override {
    std::unique_ptr<nvinfer1::IRuntimeConfig> config(engine_->createRuntimeConfig());
    if (config == nullptr) return nullptr;
    config->setExecutionContextAllocationStrategy(
        nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED);
    // At once, not in the background: a CUDA graph keeps the kernels with which it was captured.
    config->setDynamicShapesKernelSpecializationStrategy(
        nvinfer1::DynamicShapesKernelSpecializationStrategy::kEAGER);
    // Without its cache a context works too.
    if (cache_ != nullptr) (void)config->setRuntimeCache(*cache_);
    auto* const context = engine_->createExecutionContext(config.get());
    if (context == nullptr) return nullptr;
    return std::make_unique<AdaptedContext>(context, std::move(config));
  }
  bool use_runtime_cache(std::span<const std::byte> content) override {
    const std::unique_ptr<nvinfer1::IRuntimeConfig> config(engine_->createRuntimeConfig());
    if (config != nullptr) cache_.reset(config->createRuntimeCache());
    return content.empty() || (cache_ != nullptr && cache_->deserialize(content.data(), content.size()));
  }
  std::vector<std::byte> runtime_cache() const override {
    const std::unique_ptr<nvinfer1::IHostMemory> content(cache_ == nullptr ? nullptr : cache_->serialize());
    return content == nullptr ? std::vector<std::byte>() : content_of(*content);
  }
#else
  std::unique_ptr<Context> create_context() override {
    auto* const context =
        engine_->createExecutionContext(nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED);
    if (context == nullptr) return nullptr;
    return std::make_unique<AdaptedContext>(context, version_);
  }
  bool use_runtime_cache(std::span<const std::byte>) override { return true; }
  std::vector<std::byte> runtime_cache() const override { return {}; }
#endif
  std::string name() const override {
    const char* const name = engine_->getName();
    return name == nullptr ? "" : name;
  }
  std::string layers() const override {
    const std::unique_ptr<nvinfer1::IEngineInspector> inspector(engine_->createEngineInspector());
    if (inspector == nullptr) return "";
    const char* const text = inspector->getEngineInformation(nvinfer1::LayerInformationFormat::kJSON);
    return text == nullptr ? "" : text;
  }

 private:
  [[maybe_unused]] const std::int32_t version_;  // as getInferLibVersion has it
  std::unique_ptr<nvinfer1::ICudaEngine> engine_;
#ifdef TFT_TENSORRT_RTX
  std::unique_ptr<nvinfer1::IRuntimeCache> cache_;  // contexts, which use it, are destroyed before
#endif
};

class AdaptedRuntime final : public Runtime {
 public:
  AdaptedRuntime(nvinfer1::IRuntime* runtime, std::int32_t version) : version_(version), runtime_(runtime) {}

  void allow_host_code() override { runtime_->setEngineHostCodeAllowed(true); }
  bool load_plugins(const std::string& library) override {
    return load_plugin_library(runtime_->getPluginRegistry(), library);
  }
  std::unique_ptr<Engine> deserialize(std::span<const std::byte> plan) override {
    auto* const engine = runtime_->deserializeCudaEngine(plan.data(), plan.size());
    if (engine == nullptr) return nullptr;
    return std::make_unique<AdaptedEngine>(engine, version_);
  }

 private:
  const std::int32_t version_;
  std::unique_ptr<nvinfer1::IRuntime> runtime_;
};

std::unique_ptr<Runtime> create_runtime(void* create, std::int32_t version) {
  using Create = void* (*)(void* logger, std::int32_t version) noexcept;
  auto* const runtime =
      static_cast<nvinfer1::IRuntime*>(reinterpret_cast<Create>(create)(&process_logger(), version));
  if (runtime == nullptr) return nullptr;
  return std::make_unique<AdaptedRuntime>(runtime, version);
}

}  // namespace
}  // namespace tft::tensorrt

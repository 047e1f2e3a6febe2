// The builder of the double of libnvinfer: makes one of the double's plans from the network and the
// configuration.
#include <dlfcn.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "build_parts.h"
#include "plugin_registry.h"

namespace doubles {
namespace {

using nvinfer1::BuilderFlag;

constexpr int timing_steps = 10;
constexpr std::size_t min_workspace = 1 << 20;
constexpr std::size_t bytes_while_building = 1 << 24;

/// Reports the end of a phase in its destructor.
class Phase {
 public:
  Phase(nvinfer1::IProgressMonitor* monitor, const char* name, const char* parent, int steps)
      : monitor_(monitor), name_(name) {
    if (monitor_ != nullptr) monitor_->phaseStart(name_, parent, steps);
  }
  ~Phase() {
    if (monitor_ != nullptr) monitor_->phaseFinish(name_);
  }
  Phase(const Phase&) = delete;
  Phase& operator=(const Phase&) = delete;
  bool step(int number) const { return monitor_ == nullptr || monitor_->stepComplete(name_, number); }

 private:
  nvinfer1::IProgressMonitor* const monitor_;
  const char* const name_;
};

class Builder final : public nvinfer1::IBuilder, public UnmodelledBuilder {
 public:
  Builder(const CudaLink& cuda, ILogger& logger)
      : cuda_(cuda), logger_(logger), registry_(&logger, &PluginRegistry::of_process()) {
    mImpl = this;
    cuda_.count_created("builder");
  }
  ~Builder() noexcept override {
    if (made_ > 0) cuda_.violation("a builder deleted before what it made");
    cuda_.count_freed("builder");
  }

  nvinfer1::IPluginRegistry& getPluginRegistry() noexcept override { return registry_; }
  nvinfer1::INetworkDefinition* createNetworkV2(
      nvinfer1::NetworkDefinitionCreationFlags flags) noexcept override {
    if (fails(cuda_, logger_, "createNetworkV2")) return nullptr;
#if NV_TENSORRT_MAJOR == 10
    constexpr unsigned strong =
        1u << static_cast<unsigned>(nvinfer1::NetworkDefinitionCreationFlag::kSTRONGLY_TYPED);
    return new Network(cuda_, made_, registry_, (flags & strong) != 0);
#else
    (void)flags;
    return new Network(cuda_, made_, registry_, true);
#endif
  }
  nvinfer1::IBuilderConfig* createBuilderConfig() noexcept override {
    if (fails(cuda_, logger_, "createBuilderConfig")) return nullptr;
    return new Config(cuda_, logger_, made_);
  }
  nvinfer1::IOptimizationProfile* createOptimizationProfile() noexcept override {
    if (fails(cuda_, logger_, "createOptimizationProfile")) return nullptr;
    profiles_.push_back(std::make_unique<Profile>(cuda_, logger_));
    return profiles_.back().get();
  }

  nvinfer1::IHostMemory* buildSerializedNetwork(nvinfer1::INetworkDefinition& definition,
                                                nvinfer1::IBuilderConfig& configuration) noexcept override {
    const auto& network = static_cast<const Network&>(definition);
    const auto& config = static_cast<const Config&>(configuration);
    const int device = cuda_.current_device();
#ifdef TFT_DOUBLE_RTX
    const std::vector<int> targets = targets_of(config, device);
    if (targets.empty()) return error("bad optional access");
    if (network.operators.contains("Elu"))
      return error(
          "Error Code 9: Internal Error (Error during shape inference of elu(x, alpha). There are 2 inputs. "
          "Expected 1)");
#else
    if (device < 0) {
      cuda_.violation("buildSerializedNetwork without a current context");
      return nullptr;
    }
#endif
    if (network.parsers == 0) cuda_.violation("a network built after its parser was deleted");
    if (config.timings != nullptr && !config.timings->alive)
      cuda_.violation("a build after its timing cache was deleted");
    if (const std::string problem = refusal(network, config, cuda_.compute_capability(device));
        !problem.empty())
      return error(problem);
#ifdef TFT_DOUBLE_RTX
    // Its builder uses no GPU.
    if (!time_tactics(network, config)) return nullptr;
    Plan plan = plan_of(network, config, device);
    plan.targets = targets;
    plan.gpu.clear();
    return new HostMemory(cuda_, write_plan(plan));
#else
    if (cuda_.reserve(device, bytes_while_building) != success)
      return error("Error Code 2: OutOfMemory (Requested size was " + std::to_string(bytes_while_building) +
                   " bytes.)");
    const bool done = time_tactics(network, config);
    cuda_.unreserve(device, bytes_while_building);
    if (!done) return nullptr;
    if (config.timings != nullptr) config.timings->models.insert(network.onnx);
    return new HostMemory(cuda_, write_plan(plan_of(network, config, device)));
#endif
  }

 private:
  nvinfer1::IHostMemory* error(const std::string& problem) {
    log_error(logger_, "IBuilder::buildSerializedNetwork: " + problem);
    return nullptr;
  }

#ifdef TFT_DOUBLE_RTX
  /// Empty if they are not set, or if the current GPU's is wanted and there is none.
  std::vector<int> targets_of(const Config& config, int device) const {
    std::vector<int> targets;
    for (const int target : config.targets) {
      if (target == 0 || (target == 1 && device < 0)) return {};
      targets.push_back(target == 1 ? cuda_.compute_capability(device) : target);
    }
    return targets;
  }
#endif

  /// Why a build cannot begin; empty if it can.
  static std::string refusal(const Network& network, const Config& config, int compute) {
    if (network.tensors.empty()) return "Error Code 4: Internal Error (the network has no outputs)";
    if (config.workspace < min_workspace)
      return "Error Code 10: Internal Error (Could not find any implementation for node mix.)";
#if NV_TENSORRT_MAJOR == 10
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    if (network.strong &&
        (config.flags.contains(BuilderFlag::kFP16) || config.flags.contains(BuilderFlag::kINT8)))
      return "Error Code 3: API Usage Error (precision flags with a strongly typed network)";
#pragma GCC diagnostic pop
#endif
    if (config.hardware == nvinfer1::HardwareCompatibilityLevel::kAMPERE_PLUS && compute < 80)
      return "Error Code 3: API Usage Error (kAMPERE_PLUS needs an Ampere GPU or later)";
    for (const PlanTensor& tensor : network.tensors) {
      if (!tensor.input) continue;
      bool everywhere = !config.profiles.empty();
      for (const auto& profile : config.profiles) everywhere = everywhere && profile.contains(tensor.name);
      if (!everywhere)
        return "Error Code 4: API Usage Error (Network has dynamic inputs, but no optimization profile for " +
               tensor.name + ")";
    }
    return "";
  }

  /// The long part of a build, which runs on builder threads as in the real builder. Returns false if it
  /// failed or was cancelled.
  bool time_tactics(const Network& network, const Config& config) {
    const Phase building(config.monitor, "Building Engine", nullptr, 2);
    if (!building.step(0)) return false;
    bool done = false;
    std::thread worker([&] {
      const bool known = config.timings != nullptr && config.timings->models.contains(network.onnx);
      const Phase timing(config.monitor, "Timing tactics", "Building Engine", timing_steps);
      if (!known) (void)cuda_.call("timeTactics");
      if (const int code = cuda_.call("buildSerializedNetwork")) {
        log_error(logger_, code == 2 ? "Error Code 2: OutOfMemory (Requested size was 1 bytes.)"
                                     : "Error Code 1: Cuda Runtime (code " + std::to_string(code) +
                                           ") while timing node mix");
        return;
      }
      const auto pause =
          std::chrono::microseconds(cuda_.setting("build_ms") * 1000 / timing_steps / (known ? 4 : 1));
      for (int step = 0; step < timing_steps; ++step) {
        if (pause.count() > 0) std::this_thread::sleep_for(pause);
        if (!timing.step(step)) return;
      }
      done = true;
    });
    worker.join();
    return done && building.step(1);
  }

  Plan plan_of(const Network& network, const Config& config, int device) const {
    Plan plan;
    plan.version = Version().text();
    plan.version_compatible = config.flags.contains(BuilderFlag::kVERSION_COMPATIBLE);
    plan.host_code = plan.version_compatible && !config.flags.contains(BuilderFlag::kEXCLUDE_LEAN_RUNTIME);
#ifndef TFT_DOUBLE_RTX
    plan.gpu = cuda_.device_name(device);
    plan.compute = cuda_.compute_capability(device);
#else
    (void)device;
#endif
    if (config.hardware == nvinfer1::HardwareCompatibilityLevel::kAMPERE_PLUS) plan.hardware = "ampere+";
    if (config.hardware == nvinfer1::HardwareCompatibilityLevel::kSAME_COMPUTE_CAPABILITY)
      plan.hardware = "same";
    plan.onnx = network.onnx;
    plan.samples = network.samples;
    // Read for each build, unlike the settings of libcuda's double.
    if (const char* const profile = std::getenv("TFT_DOUBLE_WRONG_PROFILE");
        profile != nullptr && *profile != '\0')
      plan.wrong = std::atoi(profile);
    plan.flags = "level=" + std::to_string(config.level) + ",workspace=" + std::to_string(config.workspace);
    const auto add = [&plan](bool set, const char* name) {
      if (set) plan.flags += std::string(",") + name;
    };
    add(network.strong, "strong");
    add(config.flags.contains(BuilderFlag::kTF32), "tf32");
    add(config.flags.contains(BuilderFlag::kREFIT), "refit");
    add(config.verbosity == nvinfer1::ProfilingVerbosity::kDETAILED, "detailed");
#if NV_TENSORRT_MAJOR == 10
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    add(config.flags.contains(BuilderFlag::kFP16), "fp16");
    add(config.flags.contains(BuilderFlag::kINT8), "int8");
#pragma GCC diagnostic pop
#endif
    plan.activation = 4096;
    plan.plugins = network.plugins;
    plan.tensors = network.tensors;
    plan.profiles = config.profiles;
    return plan;
  }

  const CudaLink& cuda_;
  ILogger& logger_;
  PluginRegistry registry_;
  std::atomic<int> made_{0};
  std::vector<std::unique_ptr<Profile>> profiles_;
};

}  // namespace
}  // namespace doubles

using namespace doubles;

extern "C" TENSORRTAPI void* createInferBuilder_INTERNAL(void* logger_pointer,
                                                         std::int32_t version) noexcept {
  auto& logger = *static_cast<ILogger*>(logger_pointer);
  const CudaLink* const cuda = CudaLink::get();
#ifdef TFT_DOUBLE_RTX
  if (cuda == nullptr) return nullptr;
#else
  if (!may_begin(cuda, logger)) return no_gpu_pointer();
#endif
  if (fails(*cuda, logger, "createInferBuilder_INTERNAL")) return nullptr;
  // A real TensorRT 10.6 opens the builder's kernels by this name, which is not their SONAME.
  constexpr const char* kernels = "libnvinfer_builder_resource.so.10.6.0";
  if (cuda->setting("builder_resource") != 0 && dlopen(kernels, RTLD_LAZY) == nullptr) {
    log_error(logger,
              std::string("createInferBuilder: Error Code 6: API Usage Error (Unable to load library: ") +
                  kernels + ")");
    return nullptr;
  }
  if (version != Version().number()) {
    log_error(logger, "createInferBuilder: Error Code 3: API Usage Error (called with version " +
                          std::to_string(version) + ")");
    return nullptr;
  }
  return static_cast<nvinfer1::IBuilder*>(new Builder(*cuda, logger));
}

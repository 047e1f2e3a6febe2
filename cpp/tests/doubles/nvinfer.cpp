// The double of libnvinfer (and libnvinfer_lean, libtensorrt_rtx), one source for all, built from NVIDIA's
// headers. It checks that TensorRT is used as its documentation says; it says nothing about TensorRT itself.
#include <NvInferRuntime.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "../held.h"
#include "cuda_link.h"
#include "formula.h"
#include "inspector.h"
#include "library.h"
#include "plan.h"
#include "plugin_registry.h"
#include "sample_answers.h"
#include "unmodelled.h"
#ifdef TFT_DOUBLE_RTX
#include "runtime_cache.h"
#endif

namespace doubles {

void unmodelled(const char* function) {
  if (const CudaLink* cuda = CudaLink::get())
    cuda->violation((std::string(function) + " is not part of the double").c_str());
}

namespace {

// The status codes of work on a stream.
constexpr int illegal_address = 700;

constexpr std::size_t bytes_of_context = 4096;
constexpr std::size_t activation_alignment = 256;

/// The functions that came with TensorRT 10.1: in 10.0 a call would go to whatever follows its own.
void added_in_10_1(const CudaLink& cuda, const char* function) {
  if (Version().major == 10 && Version().minor < 1)
    cuda.violation((std::string(function) + " is not in TensorRT 10.0").c_str());
}

/// Detects two threads that use one object at once, which TensorRT forbids.
class OneThread {
 public:
  OneThread(const CudaLink& cuda, std::atomic<int>& users, const char* what) : users_(users) {
    if (users_.fetch_add(1) != 0)
      cuda.violation((std::string(what) + " used by two threads at once").c_str());
  }
  ~OneThread() { users_.fetch_sub(1); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  std::atomic<int>& users_;
};

// State that outlives the objects, because streams and graphs refer to it

struct EngineState {
  const CudaLink& cuda;
  ILogger& logger;
  Plan plan;
  int device;
  std::vector<std::unique_ptr<nvinfer1::IPluginV3>> plugins;
  SampleAnswers samples;
  std::atomic<int> contexts{0};

  const PlanTensor* find(const char* name) const {
    for (const PlanTensor& tensor : plan.tensors) {
      if (name != nullptr && tensor.name == name) return &tensor;
    }
    return nullptr;
  }
  /// The maximum batch of a profile.
  std::int64_t max_rows(std::size_t profile) const {
    std::int64_t rows = 0;
    for (const auto& [name, range] : plan.profiles[profile]) rows = std::max(rows, range[2][0]);
    return rows;
  }
  std::int64_t activation(std::size_t profile) const {
    const auto bytes = static_cast<std::size_t>(max_rows(profile)) * plan.activation;
    return static_cast<std::int64_t>((bytes + activation_alignment - 1) / activation_alignment *
                                     activation_alignment);
  }
  std::int64_t max_activation() const {
    std::int64_t bytes = 0;
    for (std::size_t profile = 0; profile < plan.profiles.size(); ++profile)
      bytes = std::max(bytes, activation(profile));
    return bytes;
  }
};

/// Shapes and addresses of a run. A graph replays those of its capture.
struct Binding {
  int profile = 0;
  std::map<std::string, std::vector<std::int64_t>> shapes;
  std::map<std::string, std::uint64_t> addresses;
  std::uint64_t activation = 0;
  std::int64_t activation_bytes = 0;

  bool operator==(const Binding&) const = default;
};

struct ContextState {
  explicit ContextState(std::shared_ptr<EngineState> owner) : engine(std::move(owner)) {}

  const std::shared_ptr<EngineState> engine;
  std::atomic<bool> alive{true};
  std::atomic<bool> running{false};
  std::atomic<int> pending{0};

  std::mutex mutex;
  Binding binding;
};

/// One run of a context, on a stream or in a graph.
class Run {
 public:
  /// `set` is the binding as the client set it; `binding` adds the shapes of the outputs.
  Run(std::shared_ptr<ContextState> context, Binding set, Binding binding, bool captured)
      : context_(std::move(context)),
        set_(std::move(set)),
        binding_(std::move(binding)),
        captured_(captured) {
    if (!captured_) ++context_->pending;
  }
  ~Run() {
    if (!captured_ && !ran_) --context_->pending;
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  int run() {
    const CudaLink& cuda = context_->engine->cuda;
    if (!context_->alive) return crash("a run came to an execution context that was deleted before it");
    if (context_->running.exchange(true)) return crash("two runs of one execution context at once");
    const int code = compute(cuda);
    context_->running = false;
    if (!captured_) {
      ran_ = true;
      --context_->pending;
    }
    return code;
  }

  const char* stale() {
    if (!context_->alive) return "its execution context was deleted";
    const std::lock_guard lock(context_->mutex);
    return context_->binding == set_ ? nullptr : "shapes or addresses of its execution context have changed";
  }

 private:
  int crash(const char* message) const {
    context_->engine->cuda.violation(message);
    return illegal_address;
  }

  int compute(const CudaLink& cuda) {
    const Plan& plan = context_->engine->plan;
    // A concurrent run in the same activation memory would overwrite this tag.
    const void* const tag = this;
    if (!find_buffers(cuda)) return illegal_address;
    if (scratch_ != nullptr) std::memcpy(scratch_, &tag, sizeof tag);
    for (const PlanTensor& tensor : plan.tensors) {
      if (!tensor.input) std::memset(hosts_.at(tensor.name), 0xff, bytes_of(tensor));
    }
    wait_while_held();
    cuda.delay("run_us");
    if (const int fault = cuda.call("run:model")) return fault;
    if (!find_buffers(cuda)) return illegal_address;  // a buffer was freed during the run
    for (const PlanTensor& output : plan.tensors) {
      if (!output.input && !plan.noop) compute_output(output);
    }
    if (scratch_ != nullptr && std::memcmp(scratch_, &tag, sizeof tag) != 0) {
      return crash("two runs used the same activation memory at once");
    }
    return success;
  }

  std::size_t bytes_of(const PlanTensor& tensor) const {
    return volume(binding_.shapes.at(tensor.name)) * bytes_of_type(tensor.type);
  }

  bool find_buffers(const CudaLink& cuda) {
    const int device = context_->engine->device;
    for (const PlanTensor& tensor : context_->engine->plan.tensors) {
      hosts_[tensor.name] =
          static_cast<char*>(cuda.device_bytes(binding_.addresses.at(tensor.name), bytes_of(tensor), device));
      if (hosts_[tensor.name] == nullptr)
        return crash("a run used the buffer of a tensor after it was freed"), false;
    }
    if (binding_.activation == 0) return true;
    scratch_ =
        cuda.device_bytes(binding_.activation, static_cast<std::size_t>(binding_.activation_bytes), device);
    if (scratch_ == nullptr) return crash("a run used activation memory after it was freed"), false;
    return true;
  }

  void compute_output(const PlanTensor& output) const {
    const Plan& plan = context_->engine->plan;
    const auto rows = static_cast<std::size_t>(binding_.shapes.at(output.name)[0]);
    const std::size_t outputs = volume(output.dims, 1);
    const SampleAnswers& samples = context_->engine->samples;
    // Real profiles that forecast wrongly were off by a little, so the double adds a constant.
    const float offset = plan.wrong == binding_.profile ? 3 : 0;
    for (std::size_t row = 0; row < rows; ++row) {
      if (const float* const known = samples.find(row_hash(row));
          known != nullptr && &output == predictions()) {
        auto* const y = reinterpret_cast<float*>(hosts_.at(output.name)) + row * outputs;
        for (std::size_t k = 0; k < outputs; ++k) y[k] = known[k] + offset;
        continue;
      }
      std::vector<double> sums;
      for (const PlanTensor& input : plan.tensors) {
        if (!input.input) continue;
        const std::size_t count = volume(binding_.shapes.at(input.name), 1);
        const char* const x = hosts_.at(input.name) + row * count * bytes_of_type(input.type);
        if (input.type == "float32") {
          sums.push_back(weighted_sum(reinterpret_cast<const float*>(x), count, sums.size(), plan.seed));
        } else if (input.type == "int32") {
          sums.push_back(
              weighted_sum(reinterpret_cast<const std::int32_t*>(x), count, sums.size(), plan.seed));
        } else if (input.type == "int64") {
          sums.push_back(
              weighted_sum(reinterpret_cast<const std::int64_t*>(x), count, sums.size(), plan.seed));
        } else {
          sums.push_back(0);  // other types occur only in plans that do not match the model
        }
      }
      if (output.type != "float32") continue;
      auto* const y = reinterpret_cast<float*>(hosts_.at(output.name)) + row * outputs;
      for (std::size_t k = 0; k < outputs; ++k) y[k] = mix(sums.data(), sums.size(), k, plan.seed) + offset;
    }
  }

  /// The first output, for which the samples have values.
  const PlanTensor* predictions() const {
    for (const PlanTensor& tensor : context_->engine->plan.tensors)
      if (!tensor.input) return &tensor;
    return nullptr;
  }

  std::uint64_t row_hash(std::size_t row) const {
    if (context_->engine->samples.empty()) return 0;
    std::uint64_t hash = SampleAnswers::start;
    for (const PlanTensor& input : context_->engine->plan.tensors) {
      if (!input.input) continue;
      const std::size_t bytes = volume(binding_.shapes.at(input.name), 1) * bytes_of_type(input.type);
      hash = SampleAnswers::hash_of(hosts_.at(input.name) + row * bytes, bytes, hash);
    }
    return hash;
  }

  const std::shared_ptr<ContextState> context_;
  const Binding set_;
  const Binding binding_;
  const bool captured_;
  bool ran_ = false;
  std::map<std::string, char*> hosts_;  // the tensors' host addresses during the run
  void* scratch_ = nullptr;
};

// IExecutionContext

class Context final : public nvinfer1::IExecutionContext, public UnmodelledContext {
 public:
  Context(nvinfer1::ICudaEngine& engine, std::shared_ptr<EngineState> state, std::size_t reserved,
          bool own_activation)
      : engine_(engine),
        state_(std::make_shared<ContextState>(std::move(state))),
        cuda_(state_->engine->cuda),
        logger_(state_->engine->logger),
        reserved_(reserved),
        own_activation_(own_activation) {
    mImpl = this;
    ++state_->engine->contexts;
    cuda_.count_created("execution context");
    for (const PlanTensor& tensor : state_->engine->plan.tensors) {
      if (tensor.input && std::count(tensor.dims.begin(), tensor.dims.end(), -1) == 0) {
        state_->binding.shapes[tensor.name] = tensor.dims;
      }
    }
  }

  ~Context() noexcept override {
    if (state_->pending > 0) cuda_.violation("an execution context deleted while its work was in flight");
    state_->alive = false;
#ifdef TFT_DOUBLE_RTX
    --kernels->contexts;
#endif
    --state_->engine->contexts;
    cuda_.unreserve(state_->engine->device, reserved_);
    cuda_.count_freed("execution context");
  }

  nvinfer1::IExecutionContext* getPImpl() noexcept override { return this; }
  nvinfer1::ICudaEngine const& getEngine() const noexcept override { return engine_; }
  std::int32_t getOptimizationProfile() const noexcept override { return state_->binding.profile; }

  bool setOptimizationProfileAsync(std::int32_t profile, cudaStream_t stream) noexcept override {
    const OneThread guard(cuda_, users_, "an execution context");
    if (fails(cuda_, logger_, "setOptimizationProfileAsync") || cuda_.capturing(stream) < 0) return false;
    if (profile < 0 || static_cast<std::size_t>(profile) >= plan().profiles.size()) {
      return error("setOptimizationProfileAsync", "the profile index is out of range");
    }
    const std::lock_guard lock(state_->mutex);
    state_->binding.profile = profile;
    state_->binding.shapes.clear();
    return true;
  }

  bool setInputShape(char const* name, Dims const& dims) noexcept override {
    const OneThread guard(cuda_, users_, "an execution context");
    if (fails(cuda_, logger_, "setInputShape")) return false;
    const PlanTensor* const tensor = state_->engine->find(name);
    if (tensor == nullptr || !tensor->input)
      return error("setInputShape", std::string("no input is named ") + name);
    const std::vector<std::int64_t> shape = from_dims(dims);
    const std::lock_guard lock(state_->mutex);
    const auto& ranges = plan().profiles[static_cast<std::size_t>(state_->binding.profile)];
    const auto range = ranges.find(tensor->name);
    bool fits = shape.size() == tensor->dims.size();
    for (std::size_t i = 0; fits && i < shape.size(); ++i) {
      const std::int64_t low = range != ranges.end() ? range->second[0][i] : tensor->dims[i];
      const std::int64_t high = range != ranges.end() ? range->second[2][i] : tensor->dims[i];
      fits = shape[i] >= low && shape[i] <= high;
    }
    if (!fits) {
      return error("setInputShape",
                   "Static dimension mismatch or dimension outside of the profile's range while setting "
                   "input shape for " +
                       tensor->name);
    }
    state_->binding.shapes[tensor->name] = shape;
    return true;
  }

  Dims getTensorShape(char const* name) const noexcept override {
    const std::lock_guard lock(state_->mutex);
    const PlanTensor* const tensor = state_->engine->find(name);
    if (tensor == nullptr) return Dims{-1, {}};
    return to_dims(resolved(state_->binding, *tensor));
  }

  bool setTensorAddress(char const* name, void* data) noexcept override {
    const OneThread guard(cuda_, users_, "an execution context");
    if (fails(cuda_, logger_, "setTensorAddress")) return false;
    const PlanTensor* const tensor = state_->engine->find(name);
    if (tensor == nullptr) return error("setTensorAddress", std::string("no tensor is named ") + name);
    const std::lock_guard lock(state_->mutex);
    state_->binding.addresses[tensor->name] = reinterpret_cast<std::uint64_t>(data);
    return true;
  }
  bool setInputTensorAddress(char const* name, void const* data) noexcept override {
    return setTensorAddress(name, const_cast<void*>(data));
  }
  bool setOutputTensorAddress(char const* name, void* data) noexcept override {
    return setTensorAddress(name, data);
  }
  void const* getTensorAddress(char const* name) const noexcept override {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->binding.addresses.find(name);
    return found == state_->binding.addresses.end() ? nullptr : reinterpret_cast<void const*>(found->second);
  }

  bool allInputDimensionsSpecified() const noexcept override {
    const std::lock_guard lock(state_->mutex);
    return missing_shapes(state_->binding).empty();
  }
  std::int32_t inferShapes(std::int32_t most, char const** names) noexcept override {
    const std::lock_guard lock(state_->mutex);
    const std::vector<const PlanTensor*> missing = missing_shapes(state_->binding);
    for (std::size_t i = 0; i < missing.size() && static_cast<std::int32_t>(i) < most; ++i)
      names[i] = missing[i]->name.c_str();
    return static_cast<std::int32_t>(missing.size());
  }

  std::size_t updateDeviceMemorySizeForShapes() noexcept override {
    added_in_10_1(cuda_, "updateDeviceMemorySizeForShapes");
    const OneThread guard(cuda_, users_, "an execution context");
    if (fails(cuda_, logger_, "updateDeviceMemorySizeForShapes")) return 0;
    const std::lock_guard lock(state_->mutex);
    return needed_activation(state_->binding);
  }

#if NV_TENSORRT_MAJOR == 10
  void setDeviceMemory(void* memory) noexcept override {
    // It trusts that the memory is large enough.
    set_device_memory(memory, state_->engine->activation(static_cast<std::size_t>(state_->binding.profile)));
  }
#endif
  void setDeviceMemoryV2(void* memory, std::int64_t bytes) noexcept override {
    added_in_10_1(cuda_, "setDeviceMemoryV2");
    set_device_memory(memory, bytes);
  }
  void set_device_memory(void* memory, std::int64_t bytes) {
    const OneThread guard(cuda_, users_, "an execution context");
    if (fails(cuda_, logger_, "setDeviceMemoryV2")) return;
    const auto address = reinterpret_cast<std::uint64_t>(memory);
    if (own_activation_) {
      error("setDeviceMemoryV2", "the execution context was not created with kUSER_MANAGED");
      return;
    }
    if (address % activation_alignment != 0) {
      error("setDeviceMemoryV2", "the memory is not aligned to 256 bytes");
      return;
    }
    if (bytes < 0 ||
        cuda_.device_bytes(address, static_cast<std::size_t>(bytes), state_->engine->device) == nullptr) {
      cuda_.violation("setDeviceMemoryV2 with what is not live memory of the engine's device");
      return;
    }
    const std::lock_guard lock(state_->mutex);
    state_->binding.activation = address;
    state_->binding.activation_bytes = bytes;
  }

  bool enqueueV3(cudaStream_t stream) noexcept override {
    const OneThread guard(cuda_, users_, "an execution context");
    const bool done = enqueue(stream);
    if (!done) cuda_.invalidate_capture(stream);
    // The real one waits for the run. The times come from layers_of.
    if (done && profiler_ != nullptr)
      for (const PlanLayer& layer : layers_of(plan()))
        profiler_->reportLayerTime(layer.name, layer.milliseconds);
    return done;
  }

  void setProfiler(nvinfer1::IProfiler* profiler) noexcept override {
    const OneThread guard(cuda_, users_, "an execution context");
    if (fails(cuda_, logger_, "setProfiler")) return;
    profiler_ = profiler;
  }
  nvinfer1::IProfiler* getProfiler() const noexcept override { return profiler_; }

#ifdef TFT_DOUBLE_RTX
  std::shared_ptr<Kernels> kernels;  // set with the configuration
  bool specializes_at_once = false;
#endif

 private:
#ifdef TFT_DOUBLE_RTX
  std::string kernel_of(const Binding& binding) const {
    std::string kernel = plan().onnx + " " + std::to_string(plan().seed);
    for (const auto& [name, shape] : binding.shapes) kernel += " " + name + " " + std::to_string(shape[0]);
    return kernel;
  }
#endif
  const Plan& plan() const { return state_->engine->plan; }

  bool error(const char* function, const std::string& problem) const {
    log_error(logger_, std::string("IExecutionContext::") + function + ": Error Code 3: API Usage Error (" +
                           problem + ")");
    return false;
  }

  std::vector<const PlanTensor*> missing_shapes(const Binding& binding) const {
    std::vector<const PlanTensor*> missing;
    for (const PlanTensor& tensor : plan().tensors) {
      if (tensor.input && !binding.shapes.contains(tensor.name)) missing.push_back(&tensor);
    }
    return missing;
  }

  /// A tensor's shape for the current batch of the inputs.
  std::vector<std::int64_t> resolved(const Binding& binding, const PlanTensor& tensor) const {
    if (const auto found = binding.shapes.find(tensor.name); found != binding.shapes.end())
      return found->second;
    std::vector<std::int64_t> shape = tensor.dims;
    if (!tensor.input && shape[0] == -1) {
      for (const auto& [name, input] : binding.shapes) shape[0] = input[0];
    }
    return shape;
  }

  std::size_t needed_activation(const Binding& binding) const {
    std::size_t rows = 0;
    for (const auto& [name, shape] : binding.shapes)
      rows = std::max(rows, static_cast<std::size_t>(shape[0]));
    return rows * plan().activation;
  }

  bool enqueue(cudaStream_t stream) {
    if (fails(cuda_, logger_, "enqueueV3")) return false;
    if (cuda_.current_device() != state_->engine->device) {
      cuda_.violation("enqueueV3 without the engine's device being current");
      return false;
    }
    const int capturing = cuda_.capturing(stream);
    if (capturing < 0) return error("enqueueV3", "the stream is invalid");
    if (state_->pending > 0 && stream != last_stream_) {
      cuda_.violation("an execution context used by two streams at once");
      return false;
    }
    last_stream_ = stream;

    Binding set;
    {
      const std::lock_guard lock(state_->mutex);
      set = state_->binding;
    }
    if (!missing_shapes(set).empty()) return error("enqueueV3", "not all input dimensions are specified");
    Binding binding = set;
    std::set<std::int64_t> batches;
    for (const PlanTensor& tensor : plan().tensors) {
      binding.shapes[tensor.name] = resolved(binding, tensor);
      batches.insert(binding.shapes[tensor.name][0]);
      const std::size_t bytes = volume(binding.shapes[tensor.name]) * bytes_of_type(tensor.type);
      const auto address = binding.addresses.find(tensor.name);
      if (address == binding.addresses.end() || address->second == 0) {
        return error("enqueueV3", "the address of tensor " + tensor.name + " is not set");
      }
      if (cuda_.device_bytes(address->second, bytes, state_->engine->device) == nullptr) {
        cuda_.violation(
            ("the buffer of tensor " + tensor.name + " is smaller than its shape, or not live").c_str());
        return false;
      }
    }
    if (batches.size() != 1) return error("enqueueV3", "the inputs differ in their batch");
    if (!own_activation_ && static_cast<std::size_t>(binding.activation_bytes) < needed_activation(binding)) {
      return error("enqueueV3", "the activation memory is too small or not set");
    }
    if (capturing == 1 && !warm_.contains(binding.shapes)) {
      return error("enqueueV3", "captured before the first run with these shapes, which may allocate");
    }
#ifdef TFT_DOUBLE_RTX
    if (capturing == 1 && !specializes_at_once)
      cuda_.violation("a graph captured while the kernels for its shapes may still be compiled");
    if (kernels->compile(cuda_, kernel_of(binding)) != success)
      return error("enqueueV3", "the kernels cannot be compiled");
#endif
    if (capturing == 0) warm_.insert(binding.shapes);

    DoubleWork work{};
    work.state = new Run(state_, std::move(set), std::move(binding), capturing == 1);
    work.run = [](void* run) { return static_cast<Run*>(run)->run(); };
    work.stale = [](void* run) { return static_cast<Run*>(run)->stale(); };
    work.destroy = [](void* run) { delete static_cast<Run*>(run); };
    if (cuda_.enqueue(stream, work) != success) return error("enqueueV3", "the stream took no work");
    return true;
  }

  nvinfer1::ICudaEngine& engine_;
  const std::shared_ptr<ContextState> state_;
  const CudaLink& cuda_;
  ILogger& logger_;
  const std::size_t reserved_;
  const bool own_activation_;
  std::atomic<int> users_{0};
  nvinfer1::IProfiler* profiler_ = nullptr;
  cudaStream_t last_stream_ = nullptr;
  std::set<std::map<std::string, std::vector<std::int64_t>>> warm_;  // shapes that have run at least once
};

// ICudaEngine

class Engine final : public nvinfer1::ICudaEngine, public UnmodelledEngine {
 public:
  Engine(std::shared_ptr<EngineState> state, std::shared_ptr<std::atomic<int>> engines_of_runtime)
      : state_(std::move(state)), engines_of_runtime_(std::move(engines_of_runtime)) {
    mImpl = this;
    ++*engines_of_runtime_;
    state_->cuda.count_created("engine");
  }
  ~Engine() noexcept override {
    if (state_->contexts > 0) state_->cuda.violation("an engine deleted before its execution contexts");
    state_->cuda.unreserve(state_->device, state_->plan.weights);
    state_->cuda.count_freed("engine");
    --*engines_of_runtime_;
  }

  nvinfer1::ICudaEngine* getPImpl() noexcept override { return this; }
  char const* getName() const noexcept override { return "double"; }
  std::int32_t getNbOptimizationProfiles() const noexcept override {
    return static_cast<std::int32_t>(state_->plan.profiles.size());
  }
  std::int32_t getNbIOTensors() const noexcept override {
    return static_cast<std::int32_t>(state_->plan.tensors.size());
  }
  char const* getIOTensorName(std::int32_t index) const noexcept override {
    if (index < 0 || index >= getNbIOTensors()) return nullptr;
    return state_->plan.tensors[static_cast<std::size_t>(index)].name.c_str();
  }
  Dims getTensorShape(char const* name) const noexcept override {
    const PlanTensor* const tensor = state_->find(name);
    return tensor == nullptr ? Dims{-1, {}} : to_dims(tensor->dims);
  }
  DataType getTensorDataType(char const* name) const noexcept override {
    const PlanTensor* const tensor = state_->find(name);
    return tensor == nullptr ? DataType::kFLOAT : data_type(tensor->type);
  }
  nvinfer1::TensorLocation getTensorLocation(char const*) const noexcept override {
    return nvinfer1::TensorLocation::kDEVICE;
  }
  nvinfer1::TensorFormat getTensorFormat(char const*) const noexcept override {
    return nvinfer1::TensorFormat::kLINEAR;
  }
  nvinfer1::TensorIOMode getTensorIOMode(char const* name) const noexcept override {
    const PlanTensor* const tensor = state_->find(name);
    if (tensor == nullptr) return nvinfer1::TensorIOMode::kNONE;
    return tensor->input ? nvinfer1::TensorIOMode::kINPUT : nvinfer1::TensorIOMode::kOUTPUT;
  }
  Dims getProfileShape(char const* name, std::int32_t profile,
                       nvinfer1::OptProfileSelector select) const noexcept override {
    if (profile < 0 || profile >= getNbOptimizationProfiles()) return Dims{-1, {}};
    const auto& ranges = state_->plan.profiles[static_cast<std::size_t>(profile)];
    if (const auto range = ranges.find(name); range != ranges.end()) {
      return to_dims(range->second[static_cast<std::size_t>(select)]);
    }
    const PlanTensor* const tensor = state_->find(name);
    return tensor != nullptr && tensor->input ? to_dims(tensor->dims) : Dims{-1, {}};
  }
  std::int64_t getDeviceMemorySizeV2() const noexcept override { return state_->max_activation(); }
#if NV_TENSORRT_MAJOR == 10
  std::size_t getDeviceMemorySizeForProfile(std::int32_t profile) const noexcept override {
    if (profile < 0 || profile >= getNbOptimizationProfiles()) return 0;
    return static_cast<std::size_t>(state_->activation(static_cast<std::size_t>(profile)));
  }
#endif
  std::int64_t getDeviceMemorySizeForProfileV2(std::int32_t profile) const noexcept override {
    added_in_10_1(state_->cuda, "getDeviceMemorySizeForProfileV2");
    if (profile < 0 || profile >= getNbOptimizationProfiles()) return 0;
    return state_->activation(static_cast<std::size_t>(profile));
  }

  nvinfer1::IEngineInspector* createEngineInspector() const noexcept override {
    if (fails(state_->cuda, state_->logger, "createEngineInspector")) return nullptr;
    return new Inspector(state_->cuda, state_->logger, state_->plan);
  }

#ifdef TFT_DOUBLE_RTX
  nvinfer1::IRuntimeConfig* createRuntimeConfig() noexcept override {
    if (fails(state_->cuda, state_->logger, "createRuntimeConfig")) return nullptr;
    return new RuntimeConfig(state_->cuda, state_->logger);
  }
  nvinfer1::IExecutionContext* createExecutionContextWithRuntimeConfig(
      nvinfer1::IRuntimeConfig* config) noexcept override {
    const auto& own = static_cast<const RuntimeConfig&>(*config);
    auto* const context = static_cast<Context*>(make_context(own.allocation));
    if (context == nullptr) return nullptr;
    context->kernels = own.kernels == nullptr ? std::make_shared<Kernels>() : own.kernels;
    ++context->kernels->contexts;
    context->specializes_at_once = own.specialization == RuntimeConfig::Specialization::kEAGER;
    return context;
  }
  nvinfer1::IExecutionContext* createExecutionContext(
      nvinfer1::ExecutionContextAllocationStrategy) noexcept override {
    unmodelled("createExecutionContext without a configuration");
    return nullptr;
  }
#else
  nvinfer1::IExecutionContext* createExecutionContext(
      nvinfer1::ExecutionContextAllocationStrategy strategy) noexcept override {
    return make_context(strategy);
  }
#endif

 private:
  nvinfer1::IExecutionContext* make_context(nvinfer1::ExecutionContextAllocationStrategy strategy) {
    if (fails(state_->cuda, state_->logger, "createExecutionContext")) return nullptr;
    if (state_->cuda.current_device() != state_->device) {
      state_->cuda.violation("createExecutionContext without the engine's device being current");
      return nullptr;
    }
    const bool own = strategy != nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED;
    const std::size_t bytes =
        bytes_of_context + (own ? static_cast<std::size_t>(state_->max_activation()) : 0);
    if (state_->cuda.reserve(state_->device, bytes) != success) {
      log_error(state_->logger,
                "IExecutionContext::IExecutionContext: Error Code 2: OutOfMemory (Requested size was " +
                    std::to_string(bytes) + " bytes.)");
      return nullptr;
    }
    return new Context(*this, state_, bytes, own);
  }

  const std::shared_ptr<EngineState> state_;
  const std::shared_ptr<std::atomic<int>> engines_of_runtime_;
};

// IRuntime

class Runtime final : public nvinfer1::IRuntime, public UnmodelledRuntime {
 public:
  Runtime(const CudaLink& cuda, ILogger& logger)
      : cuda_(cuda), logger_(logger), registry_(&logger, &PluginRegistry::of_process()) {
    mImpl = this;
    cuda_.count_created("runtime");
  }
  ~Runtime() noexcept override {
    if (*engines_ > 0) cuda_.violation("a runtime deleted before its engines");
    cuda_.count_freed("runtime");
  }

  nvinfer1::IRuntime* getPImpl() noexcept override { return this; }
  ILogger* getLogger() const noexcept override { return &logger_; }
  nvinfer1::IPluginRegistry& getPluginRegistry() noexcept override { return registry_; }
  void setEngineHostCodeAllowed(bool allowed) noexcept override { host_code_allowed_ = allowed; }
  bool getEngineHostCodeAllowed() const noexcept override { return host_code_allowed_; }

#if NV_TENSORRT_MAJOR == 10
  using UnmodelledRuntime::deserializeCudaEngine;
#endif
  nvinfer1::ICudaEngine* deserializeCudaEngine(void const* blob, std::size_t size) noexcept override {
    if (fails(cuda_, logger_, "deserializeCudaEngine")) return nullptr;
    const int device = cuda_.current_device();
#ifdef TFT_DOUBLE_RTX
    if (cuda_.setting("devices") < 1) {
      log_error(logger_, "IRuntime::deserializeCudaEngine: Error Code 1: Cuda Runtime (cudaError 35)");
      return nullptr;
    }
#endif
    if (device < 0) {
      cuda_.violation("deserializeCudaEngine without a current context");
      return nullptr;
    }
    std::string problem;
    std::optional<Plan> plan;
    if (blob == nullptr || size == 0) {
      problem = "the blob is empty";
    } else {
      plan = read_plan({static_cast<const char*>(blob), size}, problem);
    }
    if (plan) problem = foreign(*plan, device);
    if (plan && problem.empty() && plan->host_code && !host_code_allowed_)
      problem = "the plan contains host code, which is not allowed";
    if (plan && problem.empty() && plan->profiles.empty()) problem = "the plan has no optimization profile";
    std::vector<std::unique_ptr<nvinfer1::IPluginV3>> plugins;
    if (plan && problem.empty()) plugins = make_plugins(*plan, registry_, logger_, problem);
    if (problem.empty() && cuda_.reserve(device, plan->weights) != success) {
      problem = "Error Code 2: OutOfMemory (Requested size was " + std::to_string(plan->weights) + " bytes.)";
    }
    if (!problem.empty()) {
      log_error(logger_, "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (" + problem + ")");
      return nullptr;
    }
    auto state = std::shared_ptr<EngineState>(
        new EngineState{cuda_, logger_, std::move(*plan), device, std::move(plugins), {}, {}});
    state->samples = SampleAnswers(state->plan);
    return new Engine(std::move(state), engines_);
  }

 private:
  /// Why a plan of another version or for another GPU does not run here; empty if it does.
  std::string foreign(const Plan& plan, int device) const {
    const std::string own = Version().text();
    const auto major = [](const std::string& version) { return version.substr(0, version.find('.')); };
    const bool any_version = plan.version == "*";
    const bool compatible = plan.version_compatible && major(plan.version) == major(own);
    if (!any_version && !compatible && plan.version != own)
      return "The engine plan file is not compatible with this version of TensorRT, expecting library "
             "version " +
             own + " got " + plan.version + ", please rebuild.";
#ifdef TFT_DOUBLE_LEAN
    if (!any_version && !plan.version_compatible)
      return "the lean runtime takes version compatible plans only";
#endif
#ifdef TFT_DOUBLE_RTX
    const int compute = cuda_.compute_capability(device);
    if (compute != 75 && (compute < 80 || compute == 90 || compute == 100))
      return "compute capability " + compute_text(compute) + " is not supported";
    if (!plan.targets.empty() && !plan.runs_on("", compute))
      return "the engine was not built for compute capability " + compute_text(compute);
#else
    if (!plan.targets.empty()) return "magicTag does not match: an engine of TensorRT for RTX";
#endif
    if (plan.gpu.empty() || plan.runs_on(cuda_.device_name(device), cuda_.compute_capability(device)))
      return "";
    return "The engine plan file is generated on an incompatible device, expecting compute " +
           compute_text(cuda_.compute_capability(device)) + " (" + cuda_.device_name(device) +
           ") got compute " + compute_text(plan.compute) + " (" + plan.gpu + "), please rebuild.";
  }

  const CudaLink& cuda_;
  ILogger& logger_;
  PluginRegistry registry_;
  bool host_code_allowed_ = false;
  const std::shared_ptr<std::atomic<int>> engines_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace
}  // namespace doubles

// The library's functions

using namespace doubles;

extern "C" {

TENSORRTAPI std::int32_t getInferLibVersion() noexcept { return Version().number(); }
TENSORRTAPI std::int32_t getInferLibMajorVersion() noexcept { return Version().major; }
TENSORRTAPI std::int32_t getInferLibMinorVersion() noexcept { return Version().minor; }
TENSORRTAPI std::int32_t getInferLibPatchVersion() noexcept { return Version().patch; }
TENSORRTAPI std::int32_t getInferLibBuildVersion() noexcept { return Version().build; }

TENSORRTAPI void* createInferRuntime_INTERNAL(void* logger_pointer, std::int32_t version) noexcept {
  auto& logger = *static_cast<ILogger*>(logger_pointer);
  const CudaLink* const cuda = CudaLink::get();
#ifdef TFT_DOUBLE_RTX
  if (cuda == nullptr) return nullptr;
#else
  if (!may_begin(cuda, logger)) return no_gpu_pointer();
#endif
  if (const int code = cuda->call("createInferRuntime_INTERNAL")) {
    log_error(logger, "createInferRuntime: Error Code 1: Cuda Runtime (code " + std::to_string(code) + ")");
    return nullptr;
  }
  if (version != Version().number()) {
    log_error(
        logger,
        "createInferRuntime: Error Code 3: API Usage Error (CreateInferRuntime got called with version " +
            std::to_string(version) + ", expected " + std::to_string(Version().number()) + ")");
    return nullptr;
  }
  return static_cast<nvinfer1::IRuntime*>(new Runtime(*cuda, logger));
}
}

// What the core uses of TensorRT, without its headers: TensorRT 10, TensorRT 11 and TensorRT for RTX differ in
// their ABI, and each has a translation unit of its own behind this interface (tensorrt_10.cpp,
// tensorrt_11.cpp, tensorrt_rtx.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cuda/driver.h"

namespace tft::tensorrt {

struct TensorInfo {
  std::string name;
  bool input = false;
  std::string type;                // "float32", "int32", …
  std::vector<std::int64_t> dims;  // -1 where it is dynamic
  bool on_device = true;           // false: TensorRT wants the tensor in host memory
};

/// The range of one input's dimensions in one optimisation profile.
struct ProfileRange {
  std::vector<std::int64_t> min, opt, max;
};

/// Receives what TensorRT measures of each layer, on the thread that enqueues.
class LayerTimes {
 public:
  virtual ~LayerTimes() = default;
  virtual void add(const char* layer, float milliseconds) noexcept = 0;
};

/// Keeps the engine that it came from alive no longer than the engine itself: destroy it first.
class Context {
 public:
  virtual ~Context() = default;
  virtual bool set_profile(int profile, cuda::StreamHandle stream) = 0;
  /// What the shapes that are set need; 0 where TensorRT cannot say.
  virtual std::int64_t activation_bytes() = 0;
  virtual void set_activation_memory(void* memory, std::int64_t bytes) = 0;
  virtual bool set_input_shape(const std::string& name, std::span<const std::int64_t> dims) = 0;
  virtual bool set_address(const std::string& name, void* memory) = 0;
  virtual bool enqueue(cuda::StreamHandle stream) = 0;
  /// From now on each run is timed layer by layer, for which `enqueue` waits; null ends that.
  virtual bool time_layers(LayerTimes* times) = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::vector<TensorInfo> tensors() const = 0;
  virtual int profiles() const = 0;
  virtual ProfileRange profile_range(const std::string& input, int profile) const = 0;
  /// What the largest shapes of a profile need.
  virtual std::int64_t activation_bytes(int profile) const = 0;
  /// A context that gets its activation memory from us; null where TensorRT fails.
  virtual std::unique_ptr<Context> create_context() = 0;
  /// The network's.
  virtual std::string name() const = 0;
  /// All that TensorRT tells of the layers, as JSON; empty where it fails.
  virtual std::string layers() const = 0;
};

class Runtime {
 public:
  virtual ~Runtime() = default;
  virtual void allow_host_code() = 0;
  /// Loads a library of plugins for the plans that this runtime deserializes. Where that fails, the log says
  /// why.
  virtual bool load_plugins(const std::string& library) = 0;
  /// Null where TensorRT does not take the plan; why stands in the log.
  virtual std::unique_ptr<Engine> deserialize(std::span<const std::byte> plan) = 0;
};

/// `create` is the library's createInferRuntime_INTERNAL, `version` what its getInferLibVersion says. Null on
/// failure. Must not be called without a CUDA device: TensorRT then returns a pointer that is neither null
/// nor usable.
std::unique_ptr<Runtime> create_runtime_10(void* create, std::int32_t version);
std::unique_ptr<Runtime> create_runtime_11(void* create, std::int32_t version);
std::unique_ptr<Runtime> create_runtime_rtx(void* create, std::int32_t version);

}  // namespace tft::tensorrt

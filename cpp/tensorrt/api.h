// The core's interface to TensorRT, without its headers. TensorRT 10, TensorRT 11 and TensorRT for RTX have
// different ABIs, so each has its own translation unit behind this interface (tensorrt_10.cpp,
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
  bool on_device = true;           // false: TensorRT requires the tensor in host memory
};

/// The range of one input's dimensions in one optimisation profile.
struct ProfileRange {
  std::vector<std::int64_t> min, opt, max;
};

/// Receives the time of each layer, on the thread that enqueues.
class LayerTimes {
 public:
  virtual ~LayerTimes() = default;
  virtual void add(const char* layer, float milliseconds) noexcept = 0;
};

/// Does not keep its engine alive. Destroy the context before the engine.
class Context {
 public:
  virtual ~Context() = default;
  virtual bool set_profile(int profile, cuda::StreamHandle stream) = 0;
  /// The activation memory that the current shapes need; 0 if TensorRT does not report it.
  virtual std::int64_t activation_bytes() = 0;
  virtual void set_activation_memory(void* memory, std::int64_t bytes) = 0;
  virtual bool set_input_shape(const std::string& name, std::span<const std::int64_t> dims) = 0;
  virtual bool set_address(const std::string& name, void* memory) = 0;
  virtual bool enqueue(cuda::StreamHandle stream) = 0;
  /// Times each later run layer by layer, and makes `enqueue` wait for it; null stops the timing.
  virtual bool time_layers(LayerTimes* times) = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::vector<TensorInfo> tensors() const = 0;
  virtual int profiles() const = 0;
  virtual ProfileRange profile_range(const std::string& input, int profile) const = 0;
  /// The activation memory that the largest shapes of a profile need.
  virtual std::int64_t activation_bytes(int profile) const = 0;
  /// Creates a context that uses activation memory of ours; null if TensorRT fails.
  virtual std::unique_ptr<Context> create_context() = 0;
  /// TensorRT for RTX compiles a plan's kernels where the plan runs. Begins a cache of them for the contexts
  /// that are created from now on, with the content of an earlier one. Returns whether that was accepted;
  /// otherwise the cache begins empty. Call it once. Without effect for TensorRT 10 and 11.
  virtual bool use_runtime_cache(std::span<const std::byte> content) = 0;
  /// The content of that cache; empty if there is none. Not while a context is made or runs.
  virtual std::vector<std::byte> runtime_cache() const = 0;
  /// The network's name.
  virtual std::string name() const = 0;
  /// The inspector's JSON of the layers; empty if it fails.
  virtual std::string layers() const = 0;
};

class Runtime {
 public:
  virtual ~Runtime() = default;
  virtual void allow_host_code() = 0;
  /// Loads a plugin library for the plans that this runtime deserializes. The log has the reason of a
  /// failure.
  virtual bool load_plugins(const std::string& library) = 0;
  /// Null if TensorRT refuses the plan; the log has the reason.
  virtual std::unique_ptr<Engine> deserialize(std::span<const std::byte> plan) = 0;
};

/// `create` is the library's createInferRuntime_INTERNAL, `version` the result of its getInferLibVersion.
/// Null on failure. Must not be called without a CUDA device: TensorRT then returns a pointer that is neither
/// null nor usable.
std::unique_ptr<Runtime> create_runtime_10(void* create, std::int32_t version);
std::unique_ptr<Runtime> create_runtime_11(void* create, std::int32_t version);
std::unique_ptr<Runtime> create_runtime_rtx(void* create, std::int32_t version);

}  // namespace tft::tensorrt

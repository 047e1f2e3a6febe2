// A plan on one device: the context, TensorRT's runtime and its engine, which the device's lanes share.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "cuda/objects.h"
#include "tensorrt/api.h"
#include "tensorrt/libraries.h"

namespace tft {

/// Options for loading a plan; see EngineOptions.
struct PlanOptions {
  bool allow_host_code = false;
  std::vector<std::string> plugins;
  std::span<const std::byte> runtime_cache = {};
};

/// Orders the threads that make contexts of an engine: TensorRT allows one thread at a time, and takes 115 to
/// 190 ms for a context. A run that needs a context comes before preparation in advance.
struct ContextMaking {
  std::mutex mutex;             // held while a context is made
  std::atomic<int> needed = 0;  // runs that wait for a context
};

class DeviceEngine {
 public:
  /// Errors: PLAN_INVALID with TensorRT's message if it refuses the plan; OUT_OF_MEMORY with the needed and
  /// the free memory; PLUGIN if a plugin library does not load or a plugin is missing.
  static Result<std::unique_ptr<DeviceEngine>> load(const Libraries& libraries, int ordinal,
                                                    std::span<const std::byte> plan,
                                                    const PlanOptions& options, const Log& log);
  ~DeviceEngine();
  DeviceEngine(const DeviceEngine&) = delete;
  DeviceEngine& operator=(const DeviceEngine&) = delete;

  const cuda::ContextPointer& context() const { return context_; }
  tensorrt::Engine& engine() const { return *engine_; }
  ContextMaking& making() const { return making_; }
  std::size_t weights_bytes() const { return weights_bytes_; }
  /// See EngineOptions::runtime_cache. Not while contexts are made or run.
  std::vector<std::byte> runtime_cache(const Log& log) const;

 private:
  explicit DeviceEngine(cuda::ContextPointer context) : context_(std::move(context)) {}
  void begin_runtime_cache(std::span<const std::byte> content, const Log& log);

  const cuda::ContextPointer context_;
  std::unique_ptr<tensorrt::Runtime> runtime_;
  std::unique_ptr<tensorrt::Engine> engine_;
  std::size_t weights_bytes_ = 0;
  mutable ContextMaking making_;
};

static_assert(!std::is_copy_constructible_v<DeviceEngine>);

}  // namespace tft

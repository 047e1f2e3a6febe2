// Owners of CUDA objects. Each frees its object in the object's context, on any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "cuda/driver.h"

namespace tft::cuda {

/// A device's primary context, which TensorRT uses too.
class PrimaryContext {
 public:
  static Result<std::shared_ptr<PrimaryContext>> retain(std::shared_ptr<const Driver> driver, int ordinal);
  ~PrimaryContext();
  PrimaryContext(const PrimaryContext&) = delete;
  PrimaryContext& operator=(const PrimaryContext&) = delete;

  const Driver& driver() const { return *driver_; }
  ContextHandle handle() const { return handle_; }
  int ordinal() const { return ordinal_; }
  DeviceId device() const { return device_; }

 private:
  PrimaryContext(std::shared_ptr<const Driver> driver, DeviceId device, int ordinal)
      : driver_(std::move(driver)), device_(device), ordinal_(ordinal) {}

  std::shared_ptr<const Driver> driver_;
  DeviceId device_;
  int ordinal_;
  ContextHandle handle_ = nullptr;
};

static_assert(!std::is_copy_constructible_v<PrimaryContext>);

using ContextPointer = std::shared_ptr<PrimaryContext>;

/// Makes a context current on the calling thread during its own lifetime.
class CurrentContext {
 public:
  explicit CurrentContext(const PrimaryContext& context);
  ~CurrentContext();
  CurrentContext(const CurrentContext&) = delete;
  CurrentContext& operator=(const CurrentContext&) = delete;

  /// The status of cuCtxPushCurrent.
  Status status() const { return status_; }

 private:
  const PrimaryContext& context_;
  Status status_;
};

static_assert(!std::is_copy_constructible_v<CurrentContext>);

/// Owns one handle; `Free` is the Driver's function that frees it.
template <class Handle, auto Free>
class Owned {
 public:
  Owned() = default;
  Owned(ContextPointer context, Handle handle) : context_(std::move(context)), handle_(handle) {}
  Owned(Owned&& other) noexcept
      : context_(std::move(other.context_)), handle_(std::exchange(other.handle_, Handle{})) {}
  Owned& operator=(Owned&& other) noexcept {
    if (this != &other) {
      reset();
      context_ = std::move(other.context_);
      handle_ = std::exchange(other.handle_, Handle{});
    }
    return *this;
  }
  ~Owned() { reset(); }

  Handle get() const { return handle_; }
  explicit operator bool() const { return handle_ != Handle{}; }
  void reset() {
    if (handle_ == Handle{}) return;
    const CurrentContext current(*context_);
    // Ignored: nothing can be done if freeing fails, and on a lost device every call does.
    (void)(context_->driver().*Free)(std::exchange(handle_, Handle{}));
    context_.reset();
  }

 private:
  ContextPointer context_;
  Handle handle_{};
};

using DeviceMemory = Owned<DevicePointer, &Driver::memory_free>;
using PinnedMemory = Owned<void*, &Driver::host_free>;
using Stream = Owned<StreamHandle, &Driver::stream_destroy>;
using Event = Owned<EventHandle, &Driver::event_destroy>;
using Graph = Owned<GraphHandle, &Driver::graph_destroy>;
using GraphExec = Owned<GraphExecHandle, &Driver::graph_exec_destroy>;

static_assert(!std::is_copy_constructible_v<DeviceMemory> &&
              std::is_nothrow_move_constructible_v<DeviceMemory>);

/// A device pointer as TensorRT takes it.
inline void* address(DevicePointer pointer) {
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(pointer));
}

// The context must be current for each of these. `purpose` is for error messages: "lane 2's inputs".

/// The message of OUT_OF_MEMORY says how much was needed and how much is free.
Result<DeviceMemory> allocate_device(const ContextPointer& context, std::size_t bytes,
                                     const std::string& purpose);
/// Pinned for all devices.
Result<PinnedMemory> allocate_pinned(const ContextPointer& context, std::size_t bytes,
                                     const std::string& purpose);
Result<Stream> create_stream(const ContextPointer& context);
Result<Event> create_event(const ContextPointer& context, unsigned flags);

/// "12.3 MiB".
std::string readable_bytes(std::size_t bytes);
/// "300.0 MiB of 79.1 GiB free on GPU 0".
std::string free_memory(const PrimaryContext& context);
/// "1.2 GiB needed; 300.0 MiB of 79.1 GiB free on GPU 0".
std::string memory_shortage(const PrimaryContext& context, std::size_t needed);

}  // namespace tft::cuda

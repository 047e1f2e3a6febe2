// Creates CUDA objects, with errors that say how much memory was missing.
#include "cuda/objects.h"

#include <array>
#include <cstdio>

namespace tft::cuda {

Result<ContextPointer> PrimaryContext::retain(std::shared_ptr<const Driver> driver, int ordinal) {
  const std::string what = "opening GPU " + std::to_string(ordinal);
  DeviceId device = 0;
  if (const Status status = driver->device_get(&device, ordinal)) return failure(*driver, status, what);
  const ContextPointer context(new PrimaryContext(std::move(driver), device, ordinal));
  if (const Status status = context->driver().primary_context_retain(&context->handle_, device)) {
    context->handle_ = nullptr;
    return failure(context->driver(), status, what);
  }
  return context;
}

PrimaryContext::~PrimaryContext() {
  if (handle_ != nullptr) (void)driver_->primary_context_release(device_);
}

CurrentContext::CurrentContext(const PrimaryContext& context)
    : context_(context), status_(context.driver().context_push(context.handle())) {}

CurrentContext::~CurrentContext() {
  ContextHandle popped = nullptr;
  if (status_ == kSuccess) (void)context_.driver().context_pop(&popped);
}

std::string readable_bytes(std::size_t bytes) {
  constexpr std::array kUnits = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text.data();
}

std::string free_memory(const PrimaryContext& context) {
  std::size_t free = 0;
  std::size_t total = 0;
  const std::string device = " free on GPU " + std::to_string(context.ordinal());
  if (context.driver().memory_info(&free, &total) != kSuccess) return "an unknown amount" + device;
  return readable_bytes(free) + " of " + readable_bytes(total) + device;
}

std::string memory_shortage(const PrimaryContext& context, std::size_t needed) {
  return readable_bytes(needed) + " needed; " + free_memory(context);
}

Result<DeviceMemory> allocate_device(const ContextPointer& context, std::size_t bytes,
                                     const std::string& purpose) {
  DevicePointer memory = 0;
  const Status status = context->driver().memory_allocate(&memory, bytes);
  if (status == kSuccess) return DeviceMemory(context, memory);
  const std::string what = "allocating device memory for " + purpose;
  if (status != kOutOfMemory) return failure(context->driver(), status, what);
  return Error{ErrorCode::OUT_OF_MEMORY,
               what + ": " + memory_shortage(*context, bytes) +
                   ". Take fewer lanes or a smaller maximum batch, or free GPU memory."};
}

Result<PinnedMemory> allocate_pinned(const ContextPointer& context, std::size_t bytes,
                                     const std::string& purpose) {
  void* memory = nullptr;
  const Status status = context->driver().host_allocate(&memory, bytes, kHostAllocPortable);
  if (status == kSuccess) return PinnedMemory(context, memory);
  const std::string what =
      "allocating pinned host memory for " + purpose + ", " + readable_bytes(bytes) + " needed";
  return failure(context->driver(), status, what);
}

Result<Stream> create_stream(const ContextPointer& context) {
  StreamHandle stream = nullptr;
  if (const Status status = context->driver().stream_create(&stream, kStreamNonBlocking))
    return failure(context->driver(), status, "creating a stream");
  return Stream(context, stream);
}

Result<Event> create_event(const ContextPointer& context, unsigned flags) {
  EventHandle event = nullptr;
  if (const Status status = context->driver().event_create(&event, flags))
    return failure(context->driver(), status, "creating an event");
  return Event(context, event);
}

}  // namespace tft::cuda

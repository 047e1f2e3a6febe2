#include "device.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "control.h"
#include "ledger.h"
#include "stream.h"

namespace doubles {
namespace {

struct Devices {
  std::mutex mutex;
  bool initialised = false;
  std::array<CUctx_st, max_devices> contexts;
  std::array<int, max_devices> retained{};
  std::array<std::atomic<CUresult>, max_devices> lost{};
};

Devices& devices() {
  static Devices* const all = [] {
    auto* const made = new Devices;
    for (int i = 0; i < max_devices; ++i) made->contexts[static_cast<std::size_t>(i)].device = i;
    return made;
  }();
  return *all;
}

thread_local std::vector<CUcontext> context_stack;
std::atomic<bool> push_failed = false;  // a fault fired in cuCtxPushCurrent

bool valid_device(CUdevice device) {
  return device >= 0 && device < max_devices && device < Ledger::instance().setting("devices");
}

bool initialised() {
  const std::lock_guard lock(devices().mutex);
  return devices().initialised;
}

/// Device pointers are not valid host addresses: dereferencing one on the host crashes at once.
constexpr CUdeviceptr device_bit = CUdeviceptr{1} << 62;

}  // namespace

bool is_sticky(CUresult code) {
  return code == CUDA_ERROR_ECC_UNCORRECTABLE || code == CUDA_ERROR_ILLEGAL_ADDRESS ||
         code == CUDA_ERROR_LAUNCH_TIMEOUT || (code >= CUDA_ERROR_ASSERT && code <= CUDA_ERROR_LAUNCH_FAILED);
}

void lose_device(CUdevice device, CUresult code) {
  CUresult none = CUDA_SUCCESS;
  devices().lost[static_cast<std::size_t>(device)].compare_exchange_strong(none, code);
}

CUresult lost(CUdevice device) { return devices().lost[static_cast<std::size_t>(device)].load(); }

CUcontext current_context() { return context_stack.empty() ? nullptr : context_stack.back(); }

bool context_alive(CUcontext context) {
  if (context == nullptr) return false;
  const std::lock_guard lock(devices().mutex);
  return devices().retained[static_cast<std::size_t>(context->device)] > 0;
}

CUresult begin_call(const char* name) {
  const CUresult fault = Ledger::instance().call(name);
  if (fault != CUDA_SUCCESS) {
    if (is_sticky(fault) && current_context() != nullptr) lose_device(current_context()->device, fault);
    return fault;
  }
  return initialised() ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

CUresult begin_call_in_context(const char* name) {
  if (const CUresult code = begin_call(name)) return code;
  const CUcontext context = current_context();
  if (!context_alive(context)) {
    // After an injected fault in cuCtxPushCurrent, cleaning up without a context is allowed.
    if (!push_failed) Ledger::instance().violation(std::string(name) + " without a current context");
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  const CUresult code = lost(context->device);
  if (code != CUDA_SUCCESS) wait_for_streams(context->device);  // nothing runs on a lost device
  return code;
}

CUresult begin_unsafe_call(const char* name) {
  if (const CUresult code = begin_call_in_context(name)) return code;
  if (invalidate_captures_for_unsafe_call()) {
    Ledger::instance().violation(std::string(name) +
                                 " while a stream captures, which its capture mode forbids");
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  return CUDA_SUCCESS;
}

CUresult begin_freeing_call(const char* name) { return begin_call_in_context(name); }

// Memory

Memory& Memory::instance() {
  static Memory* const memory = new Memory;
  return *memory;
}

CUresult Memory::reserve(CUdevice device, std::size_t bytes) {
  const auto total = static_cast<std::size_t>(Ledger::instance().setting("memory"));
  const std::lock_guard lock(mutex_);
  std::size_t& used = used_[static_cast<std::size_t>(device)];
  if (bytes > total || used > total - bytes) return CUDA_ERROR_OUT_OF_MEMORY;
  used += bytes;
  return CUDA_SUCCESS;
}

void Memory::unreserve(CUdevice device, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  used_[static_cast<std::size_t>(device)] -= bytes;
}

std::size_t Memory::used(CUdevice device) const {
  const std::lock_guard lock(mutex_);
  return used_[static_cast<std::size_t>(device)];
}

CUresult Memory::allocate_device(CUdevice device, std::size_t bytes, CUdeviceptr& pointer) {
  if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  if (const CUresult code = reserve(device, bytes)) return code;
  void* const host = std::aligned_alloc(512, (bytes + 511) / 512 * 512);
  if (host == nullptr) {
    unreserve(device, bytes);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  std::memset(host, poison, bytes);
  pointer = reinterpret_cast<CUdeviceptr>(host) | device_bit;
  Ledger::instance().created("device memory");
  const std::lock_guard lock(mutex_);
  device_[pointer] = {bytes, device};
  return CUDA_SUCCESS;
}

CUresult Memory::free_device(CUdeviceptr pointer) {
  if (pointer == 0) return CUDA_SUCCESS;
  Block block{};
  {
    const std::lock_guard lock(mutex_);
    const auto found = device_.find(pointer);
    if (found != device_.end()) {
      block = found->second;
      device_.erase(found);
      used_[static_cast<std::size_t>(block.device)] -= block.bytes;
    }
  }
  if (block.bytes == 0) {
    Ledger::instance().violation("cuMemFree of what is not a live allocation");
    return CUDA_ERROR_INVALID_VALUE;
  }
  Ledger::instance().freed("device memory");
  std::free(reinterpret_cast<void*>(pointer & ~device_bit));
  return CUDA_SUCCESS;
}

CUresult Memory::allocate_pinned(std::size_t bytes, void*& pointer) {
  if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  pointer = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (pointer == nullptr) return CUDA_ERROR_OUT_OF_MEMORY;
  std::memset(pointer, poison, bytes);
  Ledger::instance().created("pinned memory");
  const std::lock_guard lock(mutex_);
  pinned_[static_cast<const char*>(pointer)] = bytes;
  return CUDA_SUCCESS;
}

CUresult Memory::free_pinned(void* pointer) {
  bool found = false;
  {
    const std::lock_guard lock(mutex_);
    found = pinned_.erase(static_cast<const char*>(pointer)) > 0;
  }
  if (!found) {
    Ledger::instance().violation("cuMemFreeHost of what is not a live allocation");
    return CUDA_ERROR_INVALID_VALUE;
  }
  Ledger::instance().freed("pinned memory");
  std::free(pointer);
  return CUDA_SUCCESS;
}

void* Memory::host_address(CUdeviceptr pointer, std::size_t bytes, CUdevice device) const {
  const std::lock_guard lock(mutex_);
  auto block = device_.upper_bound(pointer);
  if (block == device_.begin()) return nullptr;
  --block;
  const std::size_t offset = pointer - block->first;
  if (block->second.device != device || offset > block->second.bytes || bytes > block->second.bytes - offset)
    return nullptr;
  return reinterpret_cast<void*>(pointer & ~device_bit);
}

bool Memory::is_pinned(const void* pointer, std::size_t bytes) const {
  const std::lock_guard lock(mutex_);
  auto block = pinned_.upper_bound(static_cast<const char*>(pointer));
  if (block == pinned_.begin()) return false;
  --block;
  const auto offset = static_cast<std::size_t>(static_cast<const char*>(pointer) - block->first);
  return offset <= block->second && bytes <= block->second - offset;
}

int Memory::live(CUdevice device) const {
  const std::lock_guard lock(mutex_);
  int count = 0;
  for (const auto& [pointer, block] : device_) count += block.device == device ? 1 : 0;
  return count;
}

void Memory::forget() {
  const std::lock_guard lock(mutex_);
  for (const auto& [pointer, block] : device_) std::free(reinterpret_cast<void*>(pointer & ~device_bit));
  for (const auto& [pointer, bytes] : pinned_) std::free(const_cast<char*>(pointer));
  device_.clear();
  pinned_.clear();
  used_.fill(0);
}

}  // namespace doubles

using namespace doubles;

#define EXPORT extern "C" __attribute__((visibility("default")))

// The driver's functions for devices, contexts and memory

EXPORT CUresult cuInit(unsigned flags) {
  if (const CUresult fault = Ledger::instance().call("cuInit")) return fault;
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  if (Ledger::instance().setting("devices") < 1) return CUDA_ERROR_NO_DEVICE;
  const std::lock_guard lock(devices().mutex);
  devices().initialised = true;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDriverGetVersion(int* version) {
  if (const CUresult fault = Ledger::instance().call("cuDriverGetVersion")) return fault;
  *version = static_cast<int>(Ledger::instance().setting("cuda_version"));
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetCount(int* count) {
  if (const CUresult code = begin_call("cuDeviceGetCount")) return code;
  *count = static_cast<int>(Ledger::instance().setting("devices"));
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  if (const CUresult code = begin_call("cuDeviceGet")) return code;
  if (!valid_device(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetName(char* name, int length, CUdevice device) {
  if (const CUresult code = begin_call("cuDeviceGetName")) return code;
  if (!valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  std::snprintf(name, static_cast<std::size_t>(length), "%s", double_device_name(device));
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetAttribute(int* value, int attribute, CUdevice device) {
  if (const CUresult code = begin_call("cuDeviceGetAttribute")) return code;
  if (!valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  constexpr int multiprocessors = 16;
  constexpr int shared_memory = 97;
  constexpr int capability_major = 75;
  constexpr int capability_minor = 76;
  const int compute = double_compute_capability(device);
  *value = attribute == capability_major   ? compute / 10
           : attribute == capability_minor ? compute % 10
           : attribute == multiprocessors  ? 4
           : attribute == shared_memory    ? 227 << 10
                                           : 0;
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceTotalMem_v2(std::size_t* bytes, CUdevice device) {
  if (const CUresult code = begin_call("cuDeviceTotalMem_v2")) return code;
  if (!valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  *bytes = static_cast<std::size_t>(Ledger::instance().setting("memory"));
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice device) {
  if (const CUresult code = begin_call("cuDeviceGetUuid_v2")) return code;
  if (!valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  std::memset(uuid->bytes, 0xd0 + device, sizeof uuid->bytes);
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  if (const CUresult code = begin_call("cuDevicePrimaryCtxRetain")) return code;
  if (!valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  if (const CUresult code = lost(device)) return code;
  const std::lock_guard lock(devices().mutex);
  ++devices().retained[static_cast<std::size_t>(device)];
  *context = &devices().contexts[static_cast<std::size_t>(device)];
  Ledger::instance().created("context");
  return CUDA_SUCCESS;
}

EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  const CUresult code = begin_call("cuDevicePrimaryCtxRelease_v2");
  if (!valid_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  bool last = false;
  {
    const std::lock_guard lock(devices().mutex);
    int& retained = devices().retained[static_cast<std::size_t>(device)];
    if (retained == 0) {
      Ledger::instance().violation("cuDevicePrimaryCtxRelease of a context that is not retained");
      return CUDA_ERROR_INVALID_CONTEXT;
    }
    last = --retained == 0;
  }
  Ledger::instance().freed("context");
  const int live =
      Memory::instance().live(device) + live_objects(&devices().contexts[static_cast<std::size_t>(device)]);
  if (last && live > 0) {
    Ledger::instance().violation("the last release of a context while " + std::to_string(live) +
                                 " objects live in it");
  }
  return code;
}

EXPORT CUresult cuCtxPushCurrent_v2(CUcontext context) {
  if (const CUresult code = begin_call("cuCtxPushCurrent_v2")) {
    push_failed = true;
    return code;
  }
  if (!context_alive(context)) return CUDA_ERROR_INVALID_CONTEXT;
  context_stack.push_back(context);
  return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxPopCurrent_v2(CUcontext* context) {
  const CUresult code = begin_call("cuCtxPopCurrent_v2");
  if (context_stack.empty()) {
    Ledger::instance().violation("cuCtxPopCurrent without a current context");
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  if (context != nullptr) *context = context_stack.back();
  context_stack.pop_back();
  return code;
}

EXPORT CUresult cuCtxSetCurrent(CUcontext context) {
  if (const CUresult code = begin_call("cuCtxSetCurrent")) return code;
  if (context != nullptr && !context_alive(context)) return CUDA_ERROR_INVALID_CONTEXT;
  if (!context_stack.empty()) context_stack.pop_back();
  if (context != nullptr) context_stack.push_back(context);
  return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxGetCurrent(CUcontext* context) {
  if (const CUresult code = begin_call("cuCtxGetCurrent")) return code;
  *context = current_context();
  return CUDA_SUCCESS;
}

EXPORT CUresult cuCtxGetDevice(CUdevice* device) {
  if (const CUresult code = begin_call_in_context("cuCtxGetDevice")) return code;
  *device = current_context()->device;
  return CUDA_SUCCESS;
}

// Modules are per process: the loaded image is ignored, and every function name is found.
EXPORT CUresult cuModuleLoadData(CUmodule* module, const void* image) {
  if (const CUresult code = begin_unsafe_call("cuModuleLoadData")) return code;
  if (image == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *module = reinterpret_cast<CUmodule>(current_context());
  return CUDA_SUCCESS;
}

EXPORT CUresult cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
  if (const CUresult code = begin_call_in_context("cuModuleGetFunction")) return code;
  if (module == nullptr || name == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *function = reinterpret_cast<CUfunction>(module);
  return CUDA_SUCCESS;
}

EXPORT CUresult cuFuncSetAttribute(CUfunction function, int, int) {
  if (const CUresult code = begin_call_in_context("cuFuncSetAttribute")) return code;
  return function == nullptr ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS;
}

EXPORT CUresult cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
  if (const CUresult code = begin_call_in_context("cuMemGetInfo_v2")) return code;
  *total = static_cast<std::size_t>(Ledger::instance().setting("memory"));
  *free = *total - std::min(*total, Memory::instance().used(current_context()->device));
  return CUDA_SUCCESS;
}

EXPORT CUresult cuMemAlloc_v2(CUdeviceptr* pointer, std::size_t bytes) {
  if (const CUresult code = begin_unsafe_call("cuMemAlloc_v2")) return code;
  return Memory::instance().allocate_device(current_context()->device, bytes, *pointer);
}

EXPORT CUresult cuMemFree_v2(CUdeviceptr pointer) {
  const CUresult code = begin_freeing_call("cuMemFree_v2");
  const CUresult freed = Memory::instance().free_device(pointer);
  return code != CUDA_SUCCESS ? code : freed;
}

EXPORT CUresult cuMemHostAlloc(void** pointer, std::size_t bytes, unsigned) {
  if (const CUresult code = begin_unsafe_call("cuMemHostAlloc")) return code;
  return Memory::instance().allocate_pinned(bytes, *pointer);
}

EXPORT CUresult cuMemFreeHost(void* pointer) {
  const CUresult code = begin_freeing_call("cuMemFreeHost");
  const CUresult freed = Memory::instance().free_pinned(pointer);
  return code != CUDA_SUCCESS ? code : freed;
}

// Errors

namespace {

const struct {
  CUresult code;
  const char* name;
  const char* text;
} errors[] = {
    {CUDA_SUCCESS, "CUDA_SUCCESS", "no error"},
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {CUDA_ERROR_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {CUDA_ERROR_ECC_UNCORRECTABLE, "CUDA_ERROR_ECC_UNCORRECTABLE", "uncorrectable ECC error encountered"},
    {CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {CUDA_ERROR_NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {CUDA_ERROR_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {CUDA_ERROR_LAUNCH_TIMEOUT, "CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"},
    {CUDA_ERROR_LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
    {CUDA_ERROR_CAPTURED_EVENT, "CUDA_ERROR_CAPTURED_EVENT",
     "operation not permitted on an event last recorded in a capturing stream"},
    {CUDA_ERROR_UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

}  // namespace

EXPORT CUresult cuGetErrorName(CUresult code, const char** text) {
  if (const CUresult fault = Ledger::instance().call("cuGetErrorName")) return fault;
  for (const auto& error : errors) {
    if (error.code == code) return *text = error.name, CUDA_SUCCESS;
  }
  *text = nullptr;
  return CUDA_ERROR_INVALID_VALUE;
}

EXPORT CUresult cuGetErrorString(CUresult code, const char** text) {
  if (const CUresult fault = Ledger::instance().call("cuGetErrorString")) return fault;
  for (const auto& error : errors) {
    if (error.code == code) return *text = error.text, CUDA_SUCCESS;
  }
  *text = nullptr;
  return CUDA_ERROR_INVALID_VALUE;
}

// Control

EXPORT void double_reset() {
  forget_streams();
  Memory::instance().forget();
  {
    const std::lock_guard lock(devices().mutex);
    devices().initialised = false;
    devices().retained.fill(0);
    for (auto& code : devices().lost) code = CUDA_SUCCESS;
  }
  context_stack.clear();
  push_failed = false;
  Ledger::instance().reset();
}

EXPORT void double_fail(const char* name, std::int64_t nth, int code) {
  Ledger::instance().fail(name, nth, code);
}
EXPORT std::int64_t double_faults_fired() { return Ledger::instance().faults_fired(); }
EXPORT void double_lose_device(int device, int code) { lose_device(device, code); }
EXPORT void double_set(const char* setting, std::int64_t value) { Ledger::instance().set(setting, value); }
EXPORT std::int64_t double_setting(const char* setting) { return Ledger::instance().setting(setting); }
EXPORT std::int64_t double_calls(const char* name) { return Ledger::instance().calls(name); }
EXPORT std::int64_t double_created(const char* kind) { return Ledger::instance().count_created(kind); }
EXPORT std::int64_t double_freed(const char* kind) { return Ledger::instance().count_freed(kind); }
EXPORT std::int64_t double_violations() { return Ledger::instance().violation_count(); }
EXPORT const char* double_violation_text() {
  thread_local std::string text;
  text = Ledger::instance().violation_text();
  return text.c_str();
}
EXPORT bool double_report(const char* path) { return Ledger::instance().write(path); }

EXPORT int double_call(const char* name) {
  const CUresult fault = Ledger::instance().call(name);
  if (is_sticky(fault) && current_context() != nullptr) lose_device(current_context()->device, fault);
  if (fault != CUDA_SUCCESS || current_context() == nullptr) return fault;
  const CUresult code = lost(current_context()->device);
  if (code != CUDA_SUCCESS) wait_for_streams(current_context()->device);
  return code;
}
EXPORT void double_count_created(const char* kind) { Ledger::instance().created(kind); }
EXPORT void double_count_freed(const char* kind) { Ledger::instance().freed(kind); }
EXPORT void double_violation(const char* message) { Ledger::instance().violation(message); }
EXPORT const char* double_device_name(int device) {
  static thread_local std::string name;
  const char* const set = std::getenv("TFT_DOUBLE_DEVICE_NAME");
  name = set != nullptr ? set : "Double " + std::to_string(device);
  return name.c_str();
}

EXPORT int double_compute_capability(int) { return static_cast<int>(Ledger::instance().setting("compute")); }

EXPORT int double_current_device() {
  return context_alive(current_context()) ? current_context()->device : -1;
}
EXPORT int double_reserve(int device, std::size_t bytes) { return Memory::instance().reserve(device, bytes); }
EXPORT void double_unreserve(int device, std::size_t bytes) { Memory::instance().unreserve(device, bytes); }
EXPORT void* double_device_bytes(std::uint64_t pointer, std::size_t bytes, int device) {
  return Memory::instance().host_address(pointer, bytes, device);
}
EXPORT void double_delay(const char* setting) { Ledger::instance().delay(setting); }

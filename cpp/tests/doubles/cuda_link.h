// Connects libnvinfer's double to libcuda's double through the library that the process has opened, as the
// real one does. It opens no library itself; but that of TensorRT for RTX, which needs no CUDA to build,
// opens libcuda's double for its ledger, and calls none of its functions of CUDA.
#pragma once
#include <dlfcn.h>

#include <mutex>
#include <type_traits>

#include "control.h"

namespace doubles {

struct CudaLink {
  decltype(&double_call) call = nullptr;
  decltype(&double_count_created) count_created = nullptr;
  decltype(&double_count_freed) count_freed = nullptr;
  decltype(&double_violation) violation = nullptr;
  decltype(&double_current_device) current_device = nullptr;
  decltype(&double_device_name) device_name = nullptr;
  decltype(&double_compute_capability) compute_capability = nullptr;
  decltype(&double_reserve) reserve = nullptr;
  decltype(&double_unreserve) unreserve = nullptr;
  decltype(&double_device_bytes) device_bytes = nullptr;
  decltype(&double_enqueue) enqueue = nullptr;
  decltype(&double_capturing) capturing = nullptr;
  decltype(&double_invalidate_capture) invalidate_capture = nullptr;
  decltype(&double_delay) delay = nullptr;
  decltype(&double_setting) setting = nullptr;

  /// Null while libcuda's double is not loaded.
  static const CudaLink* get() {
    static std::mutex mutex;
    const std::lock_guard lock(mutex);
    static const CudaLink* link = nullptr;
    if (link == nullptr) link = make();
    return link;
  }

 private:
  static const CudaLink* make() {
    void* library = dlopen("libcuda.so.1", RTLD_NOLOAD | RTLD_NOW);
#ifdef TFT_DOUBLE_RTX
    if (library == nullptr) library = dlopen(TFT_DOUBLE_CUDA, RTLD_NOW);
#endif
    if (library == nullptr) return nullptr;
    static CudaLink link;
    const auto take = [library](auto& member, const char* name) {
      member = reinterpret_cast<std::remove_reference_t<decltype(member)>>(dlsym(library, name));
      return member != nullptr;
    };
    const bool whole =
        take(link.call, "double_call") && take(link.count_created, "double_count_created") &&
        take(link.count_freed, "double_count_freed") && take(link.violation, "double_violation") &&
        take(link.current_device, "double_current_device") && take(link.device_name, "double_device_name") &&
        take(link.compute_capability, "double_compute_capability") && take(link.reserve, "double_reserve") &&
        take(link.unreserve, "double_unreserve") && take(link.device_bytes, "double_device_bytes") &&
        take(link.enqueue, "double_enqueue") && take(link.capturing, "double_capturing") &&
        take(link.invalidate_capture, "double_invalidate_capture") && take(link.delay, "double_delay") &&
        take(link.setting, "double_setting");
    return whole ? &link : nullptr;
  }
};

}  // namespace doubles

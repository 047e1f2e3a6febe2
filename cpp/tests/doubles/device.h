// The double's devices: their primary contexts, their memory, and the errors of a lost device.
#pragma once
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <string>

#include "cuda_abi.h"

// A primary context; the driver makes one for each device.
struct CUctx_st {
  CUdevice device = 0;
};

namespace doubles {

constexpr int max_devices = 8;

/// Every exported function starts with this: it counts the call, and returns the code of an armed fault or of
/// a lost device, else 0.
CUresult begin_call(const char* name);
/// The same for functions that need a current context.
CUresult begin_call_in_context(const char* name);
/// The same for functions that a thread-local or global capture forbids; they invalidate the captures.
CUresult begin_unsafe_call(const char* name);
/// The same for functions that free. They free in any case, as a real driver does on a lost device, and then
/// return this code.
CUresult begin_freeing_call(const char* name);

/// Codes after which CUDA says that the process has to be restarted to use the device again.
bool is_sticky(CUresult code);
void lose_device(CUdevice device, CUresult code);
/// 0, or the code with which everything on the device fails.
CUresult lost(CUdevice device);

CUcontext current_context();
bool context_alive(CUcontext context);

class Memory {
 public:
  static Memory& instance();

  CUresult allocate_device(CUdevice device, std::size_t bytes, CUdeviceptr& pointer);
  CUresult free_device(CUdeviceptr pointer);
  CUresult allocate_pinned(std::size_t bytes, void*& pointer);
  CUresult free_pinned(void* pointer);
  CUresult reserve(CUdevice device, std::size_t bytes);
  void unreserve(CUdevice device, std::size_t bytes);
  std::size_t used(CUdevice device) const;

  /// The host address behind `bytes` bytes at a device pointer; null unless all lie within one live
  /// allocation of `device`.
  void* host_address(CUdeviceptr pointer, std::size_t bytes, CUdevice device) const;
  /// Do `bytes` bytes lie within one live allocation of pinned memory?
  bool is_pinned(const void* pointer, std::size_t bytes) const;
  /// Live allocations of a device.
  int live(CUdevice device) const;
  void forget();

 private:
  struct Block {
    std::size_t bytes;
    CUdevice device;
  };
  mutable std::mutex mutex_;
  std::map<CUdeviceptr, Block> device_;
  std::map<const char*, std::size_t> pinned_;
  std::array<std::size_t, max_devices> used_{};
};

/// The content of memory that must not be read yet: a NaN as float32, a negative number as int32.
constexpr unsigned char poison = 0xff;

}  // namespace doubles

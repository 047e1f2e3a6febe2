// Devices of the double: their primary contexts, their memory, and what a lost one answers.
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

constexpr int most_devices = 8;

/// Does a call of a driver function begin well? Counts it, lets an armed fault fire, answers for a lost
/// device. Every exported function starts with it.
CUresult begin_call(const char* name);
/// The same for functions that need a current context.
CUresult begin_call_in_context(const char* name);
/// The same for functions that a thread-local or global capture forbids; the captures they meet are
/// invalidated.
CUresult begin_unsafe_call(const char* name);
/// The same for functions that free. They free in any case, since what a lost device held is gone too, and
/// then return this code.
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
  std::array<std::size_t, most_devices> used_{};
};

/// What memory holds whose contents nobody may read yet: as float32 a NaN, as int32 a negative number.
constexpr unsigned char poison = 0xff;

}  // namespace doubles

// The part of the CUDA driver API that the core uses, declared here and opened with dlopen.
//
// A test compares these declarations with NVIDIA's cuda.h. The symbol names include the version suffix
// ("_v2"), which cuda.h adds by macros and dlsym needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "tft/result.h"

// The same incomplete types as in cuda.h; TensorRT's cudaStream_t is CUstream_st* too.
struct CUctx_st;
struct CUevent_st;
struct CUfunc_st;
struct CUgraph_st;
struct CUgraphExec_st;
struct CUgraphNode_st;
struct CUmod_st;
struct CUstream_st;

namespace tft::cuda {

using Status = int;    // CUresult
using DeviceId = int;  // CUdevice
using DevicePointer = unsigned long long;
using ContextHandle = ::CUctx_st*;
using StreamHandle = ::CUstream_st*;
using EventHandle = ::CUevent_st*;
using GraphHandle = ::CUgraph_st*;
using GraphExecHandle = ::CUgraphExec_st*;
using GraphNodeHandle = ::CUgraphNode_st*;
using ModuleHandle = ::CUmod_st*;
using FunctionHandle = ::CUfunc_st*;

inline constexpr Status kSuccess = 0;
inline constexpr Status kOutOfMemory = 2;
inline constexpr Status kNoDevice = 100;
inline constexpr Status kNotReady = 600;

inline constexpr unsigned kHostAllocPortable = 1;   // CU_MEMHOSTALLOC_PORTABLE: pinned for every context
inline constexpr unsigned kStreamNonBlocking = 1;   // CU_STREAM_NON_BLOCKING
inline constexpr unsigned kEventDefault = 0;        // CU_EVENT_DEFAULT: waiting for it polls
inline constexpr unsigned kEventBlockingSync = 1;   // CU_EVENT_BLOCKING_SYNC: waiting for it sleeps
inline constexpr unsigned kCaptureThreadLocal = 1;  // CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
inline constexpr int kComputeCapabilityMajor = 75;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
inline constexpr int kComputeCapabilityMinor = 76;
inline constexpr int kMultiprocessors = 16;     // CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
inline constexpr int kSharedMemoryLimit = 97;   // CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
inline constexpr int kDynamicSharedMemory = 8;  // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES

// X(member, symbol, arguments)
#define TFT_CUDA_FUNCTIONS(X)                                                                           \
  X(init, cuInit, (unsigned flags))                                                                     \
  X(driver_version, cuDriverGetVersion, (int* version))                                                 \
  X(error_name, cuGetErrorName, (Status error, const char** text))                                      \
  X(error_string, cuGetErrorString, (Status error, const char** text))                                  \
  X(device_count, cuDeviceGetCount, (int* count))                                                       \
  X(device_get, cuDeviceGet, (DeviceId * device, int ordinal))                                          \
  X(device_name, cuDeviceGetName, (char* name, int length, DeviceId device))                            \
  X(device_attribute, cuDeviceGetAttribute, (int* value, int attribute, DeviceId device))               \
  X(device_total_memory, cuDeviceTotalMem_v2, (std::size_t* bytes, DeviceId device))                    \
  X(primary_context_retain, cuDevicePrimaryCtxRetain, (ContextHandle * context, DeviceId device))       \
  X(primary_context_release, cuDevicePrimaryCtxRelease_v2, (DeviceId device))                           \
  X(context_push, cuCtxPushCurrent_v2, (ContextHandle context))                                         \
  X(context_pop, cuCtxPopCurrent_v2, (ContextHandle * context))                                         \
  X(context_current, cuCtxGetCurrent, (ContextHandle * context))                                        \
  X(context_device, cuCtxGetDevice, (DeviceId * device))                                                \
  X(memory_info, cuMemGetInfo_v2, (std::size_t* free, std::size_t* total))                              \
  X(memory_allocate, cuMemAlloc_v2, (DevicePointer * memory, std::size_t bytes))                        \
  X(memory_free, cuMemFree_v2, (DevicePointer memory))                                                  \
  X(host_allocate, cuMemHostAlloc, (void** memory, std::size_t bytes, unsigned flags))                  \
  X(host_free, cuMemFreeHost, (void* memory))                                                           \
  X(memset_async, cuMemsetD8Async,                                                                      \
    (DevicePointer memory, unsigned char value, std::size_t bytes, StreamHandle stream))                \
  X(copy_in_async, cuMemcpyHtoDAsync_v2,                                                                \
    (DevicePointer to, const void* from, std::size_t bytes, StreamHandle stream))                       \
  X(copy_out_async, cuMemcpyDtoHAsync_v2,                                                               \
    (void* to, DevicePointer from, std::size_t bytes, StreamHandle stream))                             \
  X(stream_create, cuStreamCreate, (StreamHandle * stream, unsigned flags))                             \
  X(stream_destroy, cuStreamDestroy_v2, (StreamHandle stream))                                          \
  X(stream_synchronize, cuStreamSynchronize, (StreamHandle stream))                                     \
  X(stream_begin_capture, cuStreamBeginCapture_v2, (StreamHandle stream, unsigned mode))                \
  X(stream_end_capture, cuStreamEndCapture, (StreamHandle stream, GraphHandle * graph))                 \
  X(event_create, cuEventCreate, (EventHandle * event, unsigned flags))                                 \
  X(event_destroy, cuEventDestroy_v2, (EventHandle event))                                              \
  X(event_record, cuEventRecord, (EventHandle event, StreamHandle stream))                              \
  X(event_query, cuEventQuery, (EventHandle event))                                                     \
  X(event_synchronize, cuEventSynchronize, (EventHandle event))                                         \
  X(event_elapsed, cuEventElapsedTime, (float* milliseconds, EventHandle from, EventHandle to))         \
  X(graph_destroy, cuGraphDestroy, (GraphHandle graph))                                                 \
  X(graph_nodes, cuGraphGetNodes, (GraphHandle graph, GraphNodeHandle * nodes, std::size_t* count))     \
  X(graph_instantiate, cuGraphInstantiateWithFlags,                                                     \
    (GraphExecHandle * executable, GraphHandle graph, unsigned long long flags))                        \
  X(graph_exec_destroy, cuGraphExecDestroy, (GraphExecHandle executable))                               \
  X(graph_launch, cuGraphLaunch, (GraphExecHandle executable, StreamHandle stream))                     \
  X(module_load, cuModuleLoadData, (ModuleHandle * module, const void* image))                          \
  X(module_function, cuModuleGetFunction,                                                               \
    (FunctionHandle * function, ModuleHandle module, const char* name))                                 \
  X(function_set_attribute, cuFuncSetAttribute, (FunctionHandle function, int attribute, int value))    \
  X(launch_kernel, cuLaunchKernel,                                                                      \
    (FunctionHandle function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,      \
     unsigned block_y, unsigned block_z, unsigned shared_bytes, StreamHandle stream, void** parameters, \
     void** extra))

/// The functions of an opened driver. Lives until the process ends.
struct Driver {
  // NOLINTNEXTLINE(bugprone-macro-parentheses): a declaration
#define TFT_CUDA_MEMBER(member, symbol, arguments) Status(*member) arguments = nullptr;
  TFT_CUDA_FUNCTIONS(TFT_CUDA_MEMBER)
#undef TFT_CUDA_MEMBER

  /// Looks up the functions in a dlopen handle. The error names a missing function.
  static Result<std::unique_ptr<Driver>> from_library(void* library, const std::string& path);

  /// "CUDA_ERROR_LAUNCH_FAILED (unspecified launch failure)".
  std::string describe(Status status) const;
};

/// Whether the device fails every call after it has returned this error.
bool is_sticky(Status status);

/// Converts the status of a failed call to an error: OUT_OF_MEMORY, DEVICE_LOST or RUN. `what` names the
/// action: "copying to the device".
Error failure(const Driver& driver, Status status, const std::string& what);

}  // namespace tft::cuda

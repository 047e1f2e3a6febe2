// Compares our declarations of the CUDA driver API with NVIDIA's cuda.h, mostly at compile time.
#include <cuda.h>
#include <gtest/gtest.h>

#include <type_traits>

#include "cuda/driver.h"

namespace tft::cuda {
namespace {

// Enumerations are passed as integers; their signedness does not matter to the ABI.
template <class T>
struct Plain {
  using type = std::conditional_t<std::is_enum_v<T>, int, T>;
};
template <>
struct Plain<unsigned> {
  using type = int;
};
template <class T>
struct Plain<T*> {
  using type = typename Plain<T>::type*;
};
template <class T>
struct Plain<const T> {
  using type = const typename Plain<T>::type;
};
template <class R, class... Arguments>
struct Plain<R(Arguments...)> {
  using type = typename Plain<R>::type(typename Plain<Arguments>::type...);
};

#define CHECK_FUNCTION(member, symbol, arguments)                                                        \
  static_assert(std::is_same_v<Plain<decltype(&::symbol)>::type, Plain<decltype(Driver::member)>::type>, \
                #symbol " is not what cuda.h says");
TFT_CUDA_FUNCTIONS(CHECK_FUNCTION)
#undef CHECK_FUNCTION

static_assert(sizeof(CUresult) == sizeof(Status));
static_assert(kSuccess == CUDA_SUCCESS);
static_assert(kOutOfMemory == CUDA_ERROR_OUT_OF_MEMORY);
static_assert(kHostAllocPortable == CU_MEMHOSTALLOC_PORTABLE);
static_assert(kStreamNonBlocking == CU_STREAM_NON_BLOCKING);
static_assert(kEventDefault == CU_EVENT_DEFAULT);
static_assert(kEventBlockingSync == CU_EVENT_BLOCKING_SYNC);
static_assert(kCaptureThreadLocal == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
static_assert(kComputeCapabilityMajor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
static_assert(kComputeCapabilityMinor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
static_assert(kMultiprocessors == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
static_assert(kSharedMemoryLimit == CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
static_assert(kDynamicSharedMemory == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);

TEST(CudaDeclarationsTest, ErrorsThatRequireARestartAreSticky) {
  for (const CUresult status :
       {CUDA_ERROR_ILLEGAL_ADDRESS, CUDA_ERROR_LAUNCH_TIMEOUT, CUDA_ERROR_ASSERT,
        CUDA_ERROR_HARDWARE_STACK_ERROR, CUDA_ERROR_ILLEGAL_INSTRUCTION, CUDA_ERROR_MISALIGNED_ADDRESS,
        CUDA_ERROR_INVALID_ADDRESS_SPACE, CUDA_ERROR_INVALID_PC, CUDA_ERROR_LAUNCH_FAILED,
        CUDA_ERROR_ECC_UNCORRECTABLE, CUDA_ERROR_NVLINK_UNCORRECTABLE, CUDA_ERROR_CONTEXT_IS_DESTROYED,
        CUDA_ERROR_EXTERNAL_DEVICE, CUDA_ERROR_UNKNOWN, CUDA_ERROR_DEVICE_UNAVAILABLE,
        CUDA_ERROR_DEINITIALIZED})
    EXPECT_TRUE(is_sticky(status)) << status;
  for (const CUresult status :
       {CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_OUT_OF_MEMORY, CUDA_ERROR_NOT_READY, CUDA_ERROR_INVALID_HANDLE,
        CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, CUDA_ERROR_NOT_SUPPORTED})
    EXPECT_FALSE(is_sticky(status)) << status;
}

}  // namespace
}  // namespace tft::cuda

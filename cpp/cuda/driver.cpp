// Looks up the CUDA driver's functions, and converts its status codes to errors.
#include "cuda/driver.h"

#include <dlfcn.h>

#include <array>

namespace tft::cuda {

Result<std::unique_ptr<Driver>> Driver::from_library(void* library, const std::string& path) {
  auto driver = std::make_unique<Driver>();
#define TFT_CUDA_TAKE(member, symbol, arguments)                                        \
  driver->member = reinterpret_cast<decltype(driver->member)>(dlsym(library, #symbol)); \
  if (driver->member == nullptr)                                                        \
    return Error{ErrorCode::NO_CUDA_DRIVER,                                             \
                 path + " does not have the function " #symbol                          \
                        ": it is too old or no CUDA driver. Update the NVIDIA driver."};
  TFT_CUDA_FUNCTIONS(TFT_CUDA_TAKE)
#undef TFT_CUDA_TAKE
  return driver;
}

std::string Driver::describe(Status status) const {
  const char* name = nullptr;
  const char* text = nullptr;
  if (error_name(status, &name) != kSuccess || name == nullptr) return "CUDA error " + std::to_string(status);
  if (error_string(status, &text) != kSuccess || text == nullptr) return name;
  return std::string(name) + " (" + text + ")";
}

bool is_sticky(Status status) {
  // The errors after which, by cuda.h, the process must be restarted, and those of a lost or broken device.
  constexpr std::array kSticky = {
      4,    // DEINITIALIZED
      46,   // DEVICE_UNAVAILABLE
      214,  // ECC_UNCORRECTABLE
      220,  // NVLINK_UNCORRECTABLE
      700,  // ILLEGAL_ADDRESS
      702,  // LAUNCH_TIMEOUT
      709,  // CONTEXT_IS_DESTROYED
      710,  // ASSERT
      714, 715, 716,
      717,            // HARDWARE_STACK_ERROR, ILLEGAL_INSTRUCTION, MISALIGNED_ADDRESS, INVALID_ADDRESS_SPACE
      718, 719, 721,  // INVALID_PC, LAUNCH_FAILED, CONTAINED
      911,            // EXTERNAL_DEVICE
      999,            // UNKNOWN: reported when the GPU falls off the bus
  };
  for (const Status sticky : kSticky)
    if (status == sticky) return true;
  return false;
}

Error failure(const Driver& driver, Status status, const std::string& what) {
  if (is_sticky(status)) {
    return {ErrorCode::DEVICE_LOST,
            what + ": " + driver.describe(status) +
                ". The GPU answers nothing else to this process; restart the process to use it."};
  }
  const ErrorCode code = status == kOutOfMemory ? ErrorCode::OUT_OF_MEMORY : ErrorCode::RUN;
  return {code, what + ": " + driver.describe(status)};
}

}  // namespace tft::cuda

// The library's kernels on a device: the embedded fat binary, loaded once for each CUDA context and launched
// with the driver API.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "cuda/driver.h"
#include "plugins/operators.h"
#include "tft/result.h"

namespace tft::cuda {

/// The fat binary; empty if the library was built without nvcc.
std::span<const std::byte> kernel_image();
/// SHA-256 of the image, in hexadecimal; empty if there is no image.
const char* kernel_image_hash();

/// The oldest driver that loads the image, as cuDriverGetVersion counts: 1000 major + 10 minor.
constexpr int kMinKernelDriver = 13000;
/// The oldest compute capability that the kernels are compiled for: 8.0.
constexpr int kMinComputeMajor = 8;

/// Why the kernels cannot run on a device; empty if they can.
std::optional<Error> kernel_obstacle(const Driver& driver, DeviceId device);

/// The launcher for the context that is current on this thread. The first call for a context loads the
/// kernels, and must not come while a stream is being captured. Null if loading fails. Any thread. Lives
/// until the process ends.
plugins::Launcher* current_launcher(const Driver& driver);

}  // namespace tft::cuda

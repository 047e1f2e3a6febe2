// The library's own kernels on a device: the fat binary that the build embeds, loaded once for each CUDA
// context and launched by the driver API.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "cuda/driver.h"
#include "plugins/operators.h"
#include "tft/result.h"

namespace tft::cuda {

/// The fat binary; empty in a build that was made without nvcc.
std::span<const std::byte> kernel_image();
/// SHA-256 of the image, in hexadecimal; empty where there is none.
const char* kernel_image_hash();

/// The oldest driver that takes the image, as cuDriverGetVersion counts: 1000 major + 10 minor.
constexpr int kOldestKernelDriver = 13000;
/// The oldest compute capability that the kernels are compiled for: 8.0.
constexpr int kOldestKernelMajor = 8;

/// Why the kernels cannot run on a device; nothing where they can.
std::optional<Error> kernel_obstacle(const Driver& driver, DeviceId device);

/// The launcher for the context that is current on this thread. Loads the kernels at the first call for a
/// context, which must not be while a stream is captured. Null where that fails. Any thread. Lives until the
/// process ends.
plugins::Launcher* current_launcher(const Driver& driver);

}  // namespace tft::cuda

// Copies memory past the processor's cache.
#pragma once

#include <cstddef>

namespace tft {

/// Copies as memcpy does, with stores that leave no dirty lines in the processor's cache: from there a
/// device's copy reads at half the speed of main memory. The copied data is in main memory when the function
/// returns. On other processors than x86-64 it is memcpy.
void stream_copy(void* to, const void* from, std::size_t bytes);

}  // namespace tft

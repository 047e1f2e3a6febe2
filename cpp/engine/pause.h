// Waiting in a loop.
#pragma once

namespace tft {

/// Tells the processor that it waits in a loop: the thread beside it on the same core goes faster.
inline void pause_processor() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace tft

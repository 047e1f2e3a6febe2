// A hint to the processor for spin loops.
#pragma once

namespace tft {

/// Lets the other hardware thread of the core run faster while this one spins.
inline void pause_processor() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace tft

// Copies memory past the processor's cache.
#include "engine/stream_copy.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace tft {

void stream_copy(void* to, const void* from, std::size_t bytes) {
#if defined(__x86_64__)
  constexpr std::size_t kLine = 64;
  constexpr std::size_t kWord = sizeof(__m128i);
  auto* target = static_cast<std::byte*>(to);
  const auto* source = static_cast<const std::byte*>(from);
  // Whole lines: a partial one would be read from memory first.
  const std::size_t before =
      std::min(bytes, (kLine - reinterpret_cast<std::uintptr_t>(target) % kLine) % kLine);
  if (before > 0) std::memcpy(target, source, before);
  std::size_t done = before;
  for (; done + kLine <= bytes; done += kLine) {
    for (std::size_t word = done; word < done + kLine; word += kWord)
      _mm_stream_si128(reinterpret_cast<__m128i*>(target + word),
                       _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + word)));
  }
  if (done < bytes) std::memcpy(target + done, source + done, bytes - done);
  _mm_sfence();
#else
  if (bytes > 0) std::memcpy(to, from, bytes);
#endif
}

}  // namespace tft

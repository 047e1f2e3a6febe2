// Vectors of floats, as wide as the instructions that a file is compiled for, by the extension of GCC and
// Clang.
//
// Everything is in an anonymous namespace and without functions of the standard library: what one level
// compiles must not become the linker's choice for another.
#pragma once

#include <type_traits>
#include <utility>

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace tft::cpu {
namespace {

#if defined(__AVX512F__)
constexpr int kWidth = 16;
#elif defined(__AVX2__)
constexpr int kWidth = 8;
#else
constexpr int kWidth = 4;
#endif
/// Sums that are computed at once; they and their factors stay in registers.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kSums = 16;
#else
constexpr int kSums = 8;
#endif

typedef float Vec __attribute__((vector_size(kWidth * sizeof(float))));
typedef int Ints __attribute__((vector_size(kWidth * sizeof(int))));
typedef Vec Unaligned __attribute__((aligned(alignof(float)), may_alias));

#define TFT_INLINE inline __attribute__((always_inline))

TFT_INLINE Vec load(const float* from) { return *reinterpret_cast<const Unaligned*>(from); }
TFT_INLINE void store(float* to, Vec value) { *reinterpret_cast<Unaligned*>(to) = value; }
TFT_INLINE Vec splat(float value) { return Vec{} + value; }

#if defined(__AVX512F__)
TFT_INLINE Vec larger(Vec x, Vec y) { return _mm512_max_ps(x, y); }
TFT_INLINE Vec smaller(Vec x, Vec y) { return _mm512_min_ps(x, y); }
TFT_INLINE Vec square_root(Vec x) { return _mm512_sqrt_ps(x); }
#elif defined(__AVX2__)
TFT_INLINE Vec larger(Vec x, Vec y) { return _mm256_max_ps(x, y); }
TFT_INLINE Vec smaller(Vec x, Vec y) { return _mm256_min_ps(x, y); }
TFT_INLINE Vec square_root(Vec x) { return _mm256_sqrt_ps(x); }
#elif defined(__SSE2__)
TFT_INLINE Vec larger(Vec x, Vec y) { return _mm_max_ps(x, y); }
TFT_INLINE Vec smaller(Vec x, Vec y) { return _mm_min_ps(x, y); }
TFT_INLINE Vec square_root(Vec x) { return _mm_sqrt_ps(x); }
#else
TFT_INLINE Vec larger(Vec x, Vec y) { return x > y ? x : y; }
TFT_INLINE Vec smaller(Vec x, Vec y) { return x < y ? x : y; }
TFT_INLINE Vec square_root(Vec x) {
  for (int i = 0; i < kWidth; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
}
#endif
// All of them are `y` if one is NaN.
TFT_INLINE Vec at_most(Vec x, float bound) { return smaller(splat(bound), x); }
TFT_INLINE Vec at_least(Vec x, float bound) { return larger(splat(bound), x); }

/// 2^x with a relative error of 2e-7, for x up to 127; at most 2^-126 below -126. NaN stays NaN.
TFT_INLINE Vec exp2(Vec x) {
  x = at_least(x, -126.f);
#ifdef __AVX512F__
  const Vec whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  // Adding 1.5 * 2^23 rounds to a whole number, which is then in the last bits.
  constexpr float kRound = 12582912.f;
  const Vec shifted = x + kRound, whole = shifted - kRound;
#endif
  const Vec f = x - whole;
  // Taylor's polynomial on [-0.5, 0.5].
  Vec y = f * 1.5403530393381610e-4f + 1.3333558146428443e-3f;
  y = y * f + 9.6181291076284771e-3f;
  y = y * f + 5.5504108664821580e-2f;
  y = y * f + 2.4022650695910071e-1f;
  y = y * f + 6.9314718055994531e-1f;
  y = y * f + 1.f;
#ifdef __AVX512F__
  return _mm512_scalef_ps(y, whole);
#else
  return reinterpret_cast<Vec>(reinterpret_cast<Ints>(y) + (reinterpret_cast<Ints>(shifted) << 23));
#endif
}

/// 1 / x for 1 <= x < 2^126.
TFT_INLINE Vec reciprocal(Vec x) {
#ifdef __AVX512F__
  // Faster than a division: 14 bits, then a step of Newton's.
  const Vec y = _mm512_rcp14_ps(x);
  return y + y * (1.f - x * y);
#else
  return 1.f / x;
#endif
}

constexpr float kLog2E = 1.4426950408889634f;

TFT_INLINE Vec sigmoid(Vec x) { return reciprocal(1.f + exp2(at_most(x * -kLog2E, 125.f))); }
/// x for x > 0, else exp(x) - 1, with an absolute error of 1e-7.
TFT_INLINE Vec elu(Vec x) { return x > 0.f ? x : exp2(at_most(x * kLog2E, 0.f)) - 1.f; }

TFT_INLINE float sum_of(Vec x) {
  for (int half = kWidth / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) x[i] += x[i + half];
  return x[0];
}
TFT_INLINE float largest_of(Vec x) {
  for (int half = kWidth / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) x[i] = x[i] > x[i + half] ? x[i] : x[i + half];
  return x[0];
}

constexpr int rounded_up(int count) { return (count + kWidth - 1) / kWidth * kWidth; }

/// Interleaves the first halves of two vectors (`from` 0) or the second halves (`from` kWidth / 2).
template <int from, int... I>
TFT_INLINE Vec interleaved(Vec x, Vec y, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(x, y, (from + I / 2 + I % 2 * kWidth)...);
}

/// Transposes a square of kWidth vectors.
TFT_INLINE void transpose(Vec (&rows)[kWidth]) {
  using All = std::make_integer_sequence<int, kWidth>;
#pragma GCC unroll 4
  for (int stage = 1; stage < kWidth; stage *= 2) {
    Vec next[kWidth];
#pragma GCC unroll 16
    for (int i = 0; i < kWidth / 2; ++i) {
      next[2 * i] = interleaved<0>(rows[i], rows[i + kWidth / 2], All());
      next[2 * i + 1] = interleaved<kWidth / 2>(rows[i], rows[i + kWidth / 2], All());
    }
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i) rows[i] = next[i];
  }
}

}  // namespace
}  // namespace tft::cpu

// The primitives of the kernels: for CUDA and, if TFT_EMULATE is defined, for the CPU, so that tests run the
// same kernel source without a GPU (emulator.h).
#pragma once

#include <cstdint>

#include "kernel_sizes.h"

#ifndef TFT_EMULATE

#define TFT_DEVICE __device__ __forceinline__
#define TFT_KERNEL(name, threads, blocks) extern "C" __global__ __launch_bounds__(threads, blocks) void name
#define TFT_PARAMETERS const __grid_constant__
#define TFT_SHARED(pointer)                                   \
  extern __shared__ __align__(16) unsigned char tft_shared[]; \
  float* const pointer = reinterpret_cast<float*>(tft_shared)

namespace tft::plugins {

TFT_DEVICE int thread_index() { return static_cast<int>(threadIdx.x); }
TFT_DEVICE int block_threads() { return static_cast<int>(blockDim.x); }
TFT_DEVICE int block_index() { return static_cast<int>(blockIdx.x); }
TFT_DEVICE int block_row() { return static_cast<int>(blockIdx.y); }
TFT_DEVICE int grid_blocks() { return static_cast<int>(gridDim.x); }
TFT_DEVICE int grid_rows() { return static_cast<int>(gridDim.y); }
TFT_DEVICE void sync_block() { __syncthreads(); }
TFT_DEVICE void sync_warp() { __syncwarp(); }
/// A barrier of `threads` threads; `arrive` does not wait for the others.
TFT_DEVICE void barrier_wait(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
TFT_DEVICE void barrier_arrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
TFT_DEVICE float shuffle(float value, int lane) { return __shfl_sync(0xffffffffu, value, lane); }
TFT_DEVICE float shuffle_xor(float value, int mask) { return __shfl_xor_sync(0xffffffffu, value, mask); }
TFT_DEVICE float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
TFT_DEVICE float reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
TFT_DEVICE float root_reciprocal(float x) { return rsqrtf(x); }
TFT_DEVICE float square_root(float x) { return sqrtf(x); }
TFT_DEVICE float tanh_exact(float x) { return tanhf(x); }
TFT_DEVICE float log_exact(float x) { return logf(x); }
/// The smaller of both; NaN if one is.
TFT_DEVICE float min_nan(float x, float y) {
  float z;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(z) : "f"(x), "f"(y));
  return z;
}
TFT_DEVICE float max_nan(float x, float y) {
  float z;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(z) : "f"(x), "f"(y));
  return z;
}
/// Copies 16 bytes into shared memory without waiting for them; `wait_for_copies` waits for all of this
/// thread's.
TFT_DEVICE void copy_async(float* shared, const float* global) {
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(address), "l"(global) : "memory");
}
TFT_DEVICE void wait_for_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }
/// Keeps the compiler from reading a special register again in an inner loop.
TFT_DEVICE int opaque(int value) {
  asm volatile("" : "+r"(value));
  return value;
}

}  // namespace tft::plugins

#else
#include "plugins/test/emulator.h"
#endif

namespace tft::plugins {

constexpr float kLog2E = 1.4426950408889634f;

/// 1 / (1 + exp(-x)); if the exponential overflows, its reciprocal is 0, the right limit.
TFT_DEVICE float sigmoid(float x) { return reciprocal(1.f + exp2_fast(-kLog2E * x)); }

/// x for x > 0, else exp(x) - 1, with an absolute error of 1e-7, which is the precision of the sums that use
/// it.
TFT_DEVICE float elu(float x) { return x > 0.f ? x : exp2_fast(min_nan(kLog2E * x, 0.f)) - 1.f; }

struct Sum {
  TFT_DEVICE static float of(float x, float y) { return x + y; }
};
struct Maximum {
  TFT_DEVICE static float of(float x, float y) { return max_nan(x, y); }
};

struct Same {
  TFT_DEVICE float operator()(float x) const { return x; }
};

/// Reduces N values per lane over a warp (N a power of two, at most 32), and applies `finish` to each; every
/// lane gets all N results. Lanes first halve the number of values that they hold, so that this costs 2 N - 1
/// + log2(32 / N) shuffles instead of 5 N, and `finish` runs once for all N.
template <class Operation, int N, class Finish = Same>
TFT_DEVICE void warp_reduce(float (&values)[N], int lane, Finish finish = {}) {
  int mask = 16;
#pragma unroll
  for (int held = N; held > 1; held /= 2, mask /= 2) {
    const bool upper = (lane & mask) != 0;
#pragma unroll
    for (int i = 0; i < held / 2; ++i) {
      const float keep = upper ? values[i + held / 2] : values[i];
      const float give = upper ? values[i] : values[i + held / 2];
      values[i] = Operation::of(keep, shuffle_xor(give, mask));
    }
  }
  float all = values[0];
#pragma unroll
  for (; mask > 0; mask /= 2) all = Operation::of(all, shuffle_xor(all, mask));
  all = finish(all);
  if (N == 1) values[0] = all;
  // Value i is in the lanes whose upper bits spell i, the highest bit first.
#pragma unroll
  for (int i = 0; i < N && N > 1; ++i) {
    int source = 0;
#pragma unroll
    for (int half = N / 2, bit = 16; half > 0; half /= 2, bit /= 2)
      if (i & half) source |= bit;
    values[i] = shuffle(all, source);
  }
}

/// LayerNorm over the lanes of a warp, without weight and bias, for N rows at once. `inverse_count` is 1 over
/// the number of live lanes; the others (`live` false) must hold 0 and stay 0.
template <int N>
TFT_DEVICE void layer_norm(float (&rows)[N], int lane, bool live, float inverse_count, float epsilon) {
  float sums[N];
#pragma unroll
  for (int r = 0; r < N; ++r) sums[r] = live ? rows[r] : 0.f;
  warp_reduce<Sum>(sums, lane);
#pragma unroll
  for (int r = 0; r < N; ++r) rows[r] = live ? fmaf(-sums[r], inverse_count, rows[r]) : 0.f;
#pragma unroll
  for (int r = 0; r < N; ++r) sums[r] = rows[r] * rows[r];
  warp_reduce<Sum>(sums, lane, [=](float sum) { return root_reciprocal(fmaf(sum, inverse_count, epsilon)); });
#pragma unroll
  for (int r = 0; r < N; ++r) rows[r] *= sums[r];
}

/// The whole block copies an array that starts at a multiple of 16 bytes into shared memory and advances
/// `next` past it. The copies are asynchronous; wait_for_copies and a barrier make them readable.
TFT_DEVICE const float* keep(float*& next, const float* from, int count) {
  float* const to = next;
  for (int i = thread_index() * 4; i < count; i += block_threads() * 4) {
    if (i + 4 <= count) {
      copy_async(to + i, from + i);
    } else {
      for (int k = i; k < count; ++k) to[k] = from[k];
    }
  }
  next += rounded_up(count);
  return to;
}

}  // namespace tft::plugins

// Runs kernels on the CPU, for tests. Every CUDA thread is a fiber; a warp operation runs when all lanes have
// reached it; the order of the fibers is random, so that a missing barrier is found.
#pragma once

#include <ucontext.h>

#include <cmath>
#include <cstddef>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#define TFT_DEVICE inline
#define TFT_KERNEL(name, threads, blocks) extern "C" void name
#define TFT_PARAMETERS const
#define TFT_SHARED(pointer) float* const pointer = tft::plugins::emulator::shared_memory()

struct float2 {
  float x, y;
};
struct float4 {
  float x, y, z, w;
};

namespace tft::plugins {
namespace emulator {

struct Grid {
  int blocks = 1, rows = 1, threads = 32;
  std::size_t shared_bytes = 0;
};

/// Runs `kernel` for every thread of the grid. Shared memory holds NaN at first. A deadlock throws.
void launch(const Grid& grid, unsigned seed, const std::function<void()>& kernel);

float* shared_memory();
int thread_index();
int block_threads();
int block_index();
int block_row();
int grid_blocks();
int grid_rows();
/// Waits for `threads` threads at barrier `id`; with `wait` false only counts this one.
void barrier(int id, int threads, bool wait);
/// Records a copy of 16 bytes for this thread; `copy_now` runs the recorded copies.
void copy_later(float* to, const float* from);
void copy_now();
/// Returns the value of lane `lane` of the warp.
float exchange(float value, int lane);

}  // namespace emulator

using emulator::block_index;
using emulator::block_row;
using emulator::block_threads;
using emulator::grid_blocks;
using emulator::grid_rows;
using emulator::thread_index;

inline void sync_block() { emulator::barrier(0, emulator::block_threads(), true); }
inline void sync_warp() { emulator::exchange(0.f, 0); }
inline void barrier_wait(int id, int threads) { emulator::barrier(id, threads, true); }
inline void barrier_arrive(int id, int threads) { emulator::barrier(id, threads, false); }
inline float shuffle(float value, int lane) { return emulator::exchange(value, lane & 31); }
inline float shuffle_xor(float value, int mask) {
  return emulator::exchange(value, (emulator::thread_index() % 32) ^ mask);
}
inline float exp2_fast(float x) { return std::exp2(x); }
inline float reciprocal(float x) { return 1.f / x; }
inline float root_reciprocal(float x) { return 1.f / std::sqrt(x); }
inline float square_root(float x) { return std::sqrt(x); }
inline float tanh_exact(float x) { return std::tanh(x); }
inline float log_exact(float x) { return std::log(x); }
inline float floorf(float x) { return std::floor(x); }
inline float min_nan(float x, float y) { return x != x ? x : y != y ? y : x < y ? x : y; }
inline float max_nan(float x, float y) { return x != x ? x : y != y ? y : x > y ? x : y; }
// A copy runs only when it is waited for, which is the latest that the device may run it.
inline void copy_async(float* shared, const float* global) { emulator::copy_later(shared, global); }
inline void wait_for_copies() { emulator::copy_now(); }
inline int opaque(int value) { return value; }
inline float fmaxf(float x, float y) { return std::fmax(x, y); }
inline float fminf(float x, float y) { return std::fmin(x, y); }
inline float fmaf(float a, float b, float c) { return std::fma(a, b, c); }

}  // namespace tft::plugins

// The emulator for ThreadSanitizer: every CUDA thread is a thread, so that it finds two accesses to shared or
// global memory without a barrier between them. Barriers order what they order on a GPU, and nothing else
// does.
#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <thread>
#include <utility>

#include "plugins/test/emulator.h"

namespace tft::plugins::emulator {
namespace {

constexpr int kLanes = 32;
constexpr int kBarriers = 16;

/// `arrive` and `wait` for a known number of threads, as bar.arrive and bar.sync.
class Barrier {
 public:
  void arrive(int threads, bool wait) {
    const unsigned generation = generation_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads) {
      // The next arrival comes from a thread that was released here, or that heard of it from one.
      arrived_.store(0, std::memory_order_relaxed);
      generation_.fetch_add(1, std::memory_order_release);
      generation_.notify_all();
    } else if (wait) {
      generation_.wait(generation, std::memory_order_acquire);
    }
  }

 private:
  std::atomic<int> arrived_ = 0;
  std::atomic<unsigned> generation_ = 0;
};

struct Warp {
  Barrier given_all, taken_all;
  std::array<float, kLanes> given{};
};

struct Block {
  Grid grid;
  int index = 0, row = 0;
  std::vector<Warp> warps;
  std::array<Barrier, kBarriers> barriers;
  std::vector<float> memory;
};

Block* block = nullptr;
thread_local int thread = 0;
thread_local std::vector<std::pair<float*, const float*>> copies;

}  // namespace

void launch(const Grid& grid, unsigned, const std::function<void()>& kernel) {
  for (int row = 0; row < grid.rows; ++row) {
    for (int index = 0; index < grid.blocks; ++index) {
      Block one;
      one.grid = grid;
      one.index = index, one.row = row;
      one.warps = std::vector<Warp>(static_cast<std::size_t>((grid.threads + kLanes - 1) / kLanes));
      one.memory.assign(grid.shared_bytes / sizeof(float) + 4, std::numeric_limits<float>::quiet_NaN());
      block = &one;
      std::vector<std::jthread> threads;
      threads.reserve(static_cast<std::size_t>(grid.threads));
      for (int i = 0; i < grid.threads; ++i)
        threads.emplace_back([i, &kernel] {
          thread = i;
          kernel();
        });
    }
  }
}

float* shared_memory() {
  // 16 bytes aligned, as on the device.
  void* start = block->memory.data();
  std::size_t space = block->memory.size() * sizeof(float);
  return static_cast<float*>(std::align(16, block->grid.shared_bytes, start, space));
}
int thread_index() { return thread; }
int block_threads() { return block->grid.threads; }
int block_index() { return block->index; }
int block_row() { return block->row; }
int grid_blocks() { return block->grid.blocks; }
int grid_rows() { return block->grid.rows; }

void barrier(int id, int threads, bool wait) {
  block->barriers[static_cast<std::size_t>(id)].arrive(threads, wait);
}

void copy_later(float* to, const float* from) { copies.emplace_back(to, from); }

void copy_now() {
  for (const auto& [to, from] : copies) std::copy_n(from, 4, to);
  copies.clear();
}

float exchange(float value, int lane) {
  Warp& warp = block->warps[static_cast<std::size_t>(thread / kLanes)];
  warp.given[static_cast<std::size_t>(thread % kLanes)] = value;
  warp.given_all.arrive(kLanes, true);
  const float taken = warp.given[static_cast<std::size_t>(lane)];
  warp.taken_all.arrive(kLanes, true);
  return taken;
}

}  // namespace tft::plugins::emulator

#include "plugins/test/emulator.h"

#include <algorithm>
#include <array>
#include <limits>
#include <stdexcept>
#include <utility>

namespace tft::plugins::emulator {
namespace {

constexpr std::size_t kStackBytes = std::size_t{1} << 17;
constexpr int kLanes = 32;
constexpr int kBarriers = 16;

struct Barrier {
  int arrived = 0;
  unsigned generation = 0;
};

struct Warp {
  int arrived = 0;
  unsigned generation = 0;
  std::array<float, kLanes> given{}, taken{};
  std::array<int, kLanes> wanted{};
};

struct Fiber {
  ucontext_t context{};
  int thread = 0;
  bool done = false;
  std::vector<std::pair<float*, const float*>> copies;
  std::unique_ptr<char[]> stack = std::make_unique<char[]>(kStackBytes);
};

struct Block {
  Grid grid;
  int index = 0, row = 0;
  ucontext_t scheduler{};
  std::vector<Warp> warps;
  std::array<Barrier, kBarriers> barriers{};
  std::vector<float> memory;
  long progress = 0;  // increased by every action of a fiber; a round without progress is a deadlock
};

Block* block = nullptr;
Fiber* current = nullptr;
const std::function<void()>* body = nullptr;

void yield() { swapcontext(&current->context, &block->scheduler); }

void enter() {
  (*body)();
  current->done = true;
  yield();
}

void run_block(Block& one, std::vector<Fiber>& fibers, std::mt19937& random) {
  block = &one;
  for (Fiber& fiber : fibers) {
    fiber.done = false;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, &enter, 0);
  }
  std::vector<Fiber*> order;
  for (Fiber& fiber : fibers) order.push_back(&fiber);
  std::size_t live = fibers.size();
  while (live > 0) {
    std::shuffle(order.begin(), order.end(), random);
    const long before = one.progress;
    const std::size_t were = live;
    live = 0;
    for (Fiber* fiber : order) {
      if (fiber->done) continue;
      current = fiber;
      swapcontext(&one.scheduler, &fiber->context);
      if (!fiber->done) ++live;
    }
    if (live == were && one.progress == before) throw std::runtime_error("the kernel waits forever");
  }
}

}  // namespace

void launch(const Grid& grid, unsigned seed, const std::function<void()>& kernel) {
  std::mt19937 random(seed);
  body = &kernel;
  std::vector<Fiber> fibers(static_cast<std::size_t>(grid.threads));
  for (std::size_t i = 0; i < fibers.size(); ++i) fibers[i].thread = static_cast<int>(i);
  for (int row = 0; row < grid.rows; ++row) {
    for (int index = 0; index < grid.blocks; ++index) {
      Block one;
      one.grid = grid;
      one.index = index, one.row = row;
      one.warps.resize(static_cast<std::size_t>((grid.threads + kLanes - 1) / kLanes));
      one.memory.assign(grid.shared_bytes / sizeof(float) + 4, std::numeric_limits<float>::quiet_NaN());
      run_block(one, fibers, random);
    }
  }
}

float* shared_memory() {
  // 16 bytes aligned, as on the device.
  void* start = block->memory.data();
  std::size_t space = block->memory.size() * sizeof(float);
  return static_cast<float*>(std::align(16, block->grid.shared_bytes, start, space));
}
int thread_index() { return current->thread; }
int block_threads() { return block->grid.threads; }
int block_index() { return block->index; }
int block_row() { return block->row; }
int grid_blocks() { return block->grid.blocks; }
int grid_rows() { return block->grid.rows; }

void barrier(int id, int threads, bool wait) {
  Barrier& one = block->barriers[static_cast<std::size_t>(id)];
  const unsigned generation = one.generation;
  ++block->progress;
  if (++one.arrived == threads) {
    one.arrived = 0;
    ++one.generation;
    return;
  }
  while (wait && one.generation == generation) yield();
}

void copy_later(float* to, const float* from) { current->copies.emplace_back(to, from); }

void copy_now() {
  for (const auto& [to, from] : current->copies) std::copy_n(from, 4, to);
  current->copies.clear();
}

float exchange(float value, int lane) {
  Warp& warp = block->warps[static_cast<std::size_t>(current->thread / kLanes)];
  const auto mine = static_cast<std::size_t>(current->thread % kLanes);
  const unsigned generation = warp.generation;
  ++block->progress;
  warp.given[mine] = value;
  warp.wanted[mine] = lane;
  if (++warp.arrived == kLanes) {
    for (std::size_t i = 0; i < kLanes; ++i)
      warp.taken[i] = warp.given[static_cast<std::size_t>(warp.wanted[i])];
    warp.arrived = 0;
    ++warp.generation;
  } else {
    while (warp.generation == generation) yield();
  }
  return warp.taken[mine];
}

}  // namespace tft::plugins::emulator

// The operators' kernels for CPUs.
#pragma once

#include <memory>
#include <span>

#include "plugins/kernels.h"

namespace tft::cpu {

/// Instructions that the kernels are compiled for.
enum class Level { BASELINE, AVX2, AVX512 };

const char* name_of(Level level);

/// The levels that this processor supports; the last is the fastest.
std::span<const Level> supported_levels();

/// Kernels of one node of a graph, whose recurrence's weights must be the same in each call: they keep them
/// in an order of their own from the first one on. Several threads may call them at once.
std::unique_ptr<plugins::Kernels> make_kernels();
/// `level` must be supported.
std::unique_ptr<plugins::Kernels> make_kernels(Level level);

}  // namespace tft::cpu

// The kernels that operators_test.cpp tests: the GPU's, emulated, or the CPU's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plugins/operators.h"

namespace tft::plugins {

struct Circumstances {
  int multiprocessors = 132;
  unsigned seed = 1;  // of the threads' order
  std::size_t shared_limit = std::size_t{227} << 10;
};

/// Runs the operator. Nothing if it failed; else the names of the GPU's kernels that ran, none for a CPU.
std::optional<std::vector<std::string>> run_subject(const Operator& op, std::span<const Shape> shapes,
                                                    void const* const* in, void* const* out, void* workspace,
                                                    const Circumstances& circumstances);

Processor subject_processor();

/// The hidden size that they are tested with.
int subject_hidden_size();

}  // namespace tft::plugins

// The CPU's kernels: the environment variable TFT_TEST_LEVEL numbers one of the levels, 0 the least. A level
// that this processor does not have is replaced by its best, so that the test runs everywhere.
#include <algorithm>
#include <cstdlib>

#include "cpu/kernels.h"
#include "plugins/test/subject.h"

namespace tft::plugins {

std::optional<std::vector<std::string>> run_subject(const Operator& op, std::span<const Shape> shapes,
                                                    void const* const* in, void* const* out, void*,
                                                    const Circumstances&) {
  const auto levels = cpu::supported_levels();
  const char* const number = std::getenv("TFT_TEST_LEVEL");
  const std::size_t asked = number == nullptr ? levels.size() : std::strtoul(number, nullptr, 10);
  const auto kernels = cpu::make_kernels(levels[std::min(asked, levels.size() - 1)]);
  if (!op.enqueue(*kernels, shapes, in, out, nullptr)) return std::nullopt;
  return std::vector<std::string>();
}

Processor subject_processor() { return Processor::CPU; }

int subject_hidden_size() {
  const char* const size = std::getenv("TFT_TEST_HIDDEN_SIZE");
  return size == nullptr ? 32 : static_cast<int>(std::strtol(size, nullptr, 10));
}

}  // namespace tft::plugins

// Reads a plan's file.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "tft/result.h"

namespace tft {

/// Reads the whole file. A memory map would crash the process if the file were truncated during use.
Result<std::vector<std::byte>> read_plan_file(const std::string& path);

/// Returns the Result of `use(content)`, or the error of reading the file.
template <class Use>
auto with_plan_file(const std::string& path, Use use) -> decltype(use(std::span<const std::byte>())) {
  const Result<std::vector<std::byte>> plan = read_plan_file(path);
  if (!plan.ok()) return plan.error();
  return use(*plan);
}

}  // namespace tft

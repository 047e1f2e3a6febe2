// Reads a plan's file.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "tft/result.h"

namespace tft::binding {

/// The whole file. A map of it would crash the process if it were cut short meanwhile.
Result<std::vector<std::byte>> read_plan_file(const std::string& path);

/// What `use` makes of the file's content, a Result, or the error that came with reading it.
template <class Use>
auto with_plan_file(const std::string& path, Use use) -> decltype(use(std::span<const std::byte>())) {
  const Result<std::vector<std::byte>> plan = read_plan_file(path);
  if (!plan.ok()) return plan.error();
  return use(*plan);
}

}  // namespace tft::binding

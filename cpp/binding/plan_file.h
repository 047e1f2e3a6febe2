// Reads a plan's file.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tft/result.h"

namespace tft::binding {

/// The whole file. A map of it would crash the process if it were cut short meanwhile.
Result<std::vector<std::byte>> read_plan_file(const std::string& path);

}  // namespace tft::binding

// Reads the whole file in one go.
#include "tft/plan_file.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <new>
#include <system_error>

namespace tft {

Result<std::vector<std::byte>> read_plan_file(const std::string& path) {
  std::error_code problem;
  const std::uintmax_t size = std::filesystem::file_size(path, problem);
  if (problem) return Error{ErrorCode::PLAN_INVALID, path + " cannot be read: " + problem.message()};
  try {
    std::vector<std::byte> content(size);
    std::ifstream file(path, std::ios::binary);
    if (!file.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(size))) {
      return Error{ErrorCode::PLAN_INVALID, path + " cannot be read to its end"};
    }
    return content;
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::OUT_OF_MEMORY,
                 path + " does not fit in memory: " + std::to_string(size) + " bytes"};
  }
}

}  // namespace tft

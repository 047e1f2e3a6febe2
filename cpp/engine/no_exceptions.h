// Converts exceptions to errors: the core's public functions throw nothing.
#pragma once

#include <exception>
#include <string>

#include "tft/result.h"

namespace tft {

/// `work` can throw only the standard library's exceptions: out of memory, or no more threads.
template <class T, class Work>
Result<T> without_exceptions(const char* what, Work work) {
  try {
    return work();
  } catch (const std::exception& exception) {
    return Error{ErrorCode::OUT_OF_MEMORY,
                 std::string(what) + " needs more memory or threads than the host has: " + exception.what()};
  }
}

}  // namespace tft

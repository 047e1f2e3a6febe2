// Where exceptions end: the core's public functions give errors as values.
#pragma once

#include <exception>
#include <string>

#include "tft/result.h"

namespace tft {

/// What `work` may throw is the standard library's: no memory, no more threads.
template <class T, class Work>
Result<T> without_exceptions(const char* what, Work work) {
  try {
    return work();
  } catch (const std::exception& exception) {
    return Error{ErrorCode::OUT_OF_MEMORY,
                 std::string(what) + " needs more than the host gives: " + exception.what()};
  }
}

}  // namespace tft

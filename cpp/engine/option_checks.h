// Errors about options that are out of range.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tft/engine.h"
#include "tft/error.h"
#include "tft/loader.h"

namespace tft {

inline Error option_error(const std::string& message) { return {ErrorCode::OPTION, message}; }

/// OPTION unless `from` ≤ `value` ≤ `to`.
inline std::optional<Error> in_range(const std::string& name, std::int64_t value, std::int64_t from,
                                     std::int64_t to) {
  if (value >= from && value <= to) return std::nullopt;
  return option_error(name + ": found " + std::to_string(value) + ", expected " + std::to_string(from) +
                      " to " + std::to_string(to));
}

/// Checks the options that do not depend on the runtime.
inline std::optional<Error> check_engine_options(const EngineOptions& options) {
  constexpr int MAX_LANES = 64;
  if (auto error = in_range("lanes", options.lanes, 1, MAX_LANES)) return error;
  if (options.queue_limit < 1)
    return option_error("queueLimit: found " + std::to_string(options.queue_limit) + ", expected at least 1");
  if (options.split_from < 0 && options.split_from != kSplitAsSuits)
    return option_error("splitFrom: found " + std::to_string(options.split_from) + ", expected at least 0");
  constexpr int MAX_NICE = 19;
  if (auto error = in_range("nice", options.nice, 0, MAX_NICE)) return error;
  return std::nullopt;
}

/// OPTION unless a device with that number exists.
inline std::optional<Error> check_device(int device, const LibraryReport& report) {
  return in_range("devices", device, 0, static_cast<int>(report.devices.size()) - 1);
}

}  // namespace tft

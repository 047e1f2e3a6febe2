// The core's errors: a code that callers may rely on, and a message that says what to do.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tft/bad_value.h"

namespace tft {

/// What went wrong. `code_name` gives each the name that JavaScript sees.
enum class ErrorCode {
  NO_CUDA_DRIVER,      // libcuda does not load, or is too old
  NO_CUDA_DEVICE,      // the driver is there, a device that can be used is not
  TENSORRT_NOT_FOUND,  // no TensorRT library loads
  TENSORRT_VERSION,    // one loads, but its version cannot be used
  PLAN_INVALID,        // TensorRT does not take the plan: damaged, foreign, of another version
  PLAN_MISMATCH,       // the plan is sound but its inputs or outputs are not the model's
  PLUGIN,              // a library of plugins does not load, or a plan needs a plugin that none has
  BUILD,               // TensorRT's parser or builder refuses the model, or fails
  OUT_OF_MEMORY,  // on the device or pinned on the host; the message has what was needed and what was free
  RUN,            // a copy or a run failed; only its requests are lost
  DEVICE_LOST,    // the device fails every call from now on; the process must be restarted to use it
  INPUT_VALUE,    // borrowed inputs hold a value that the model cannot take (Error::bad_value says where)
  INPUT_LENGTH,   // borrowed inputs were unmapped before they were read
  QUEUE_FULL,     // too many servers wait
  DEADLINE,       // the request had not begun when its time was over
  ABORTED,        // the request was cancelled
  CLOSED,         // the engine is closed
  OPTION,         // an option or argument is out of range
  UNSUPPORTED,    // the TensorRT at hand does not offer it
};

/// "ERR_TFT_" and the code's name, for instance "ERR_TFT_QUEUE_FULL".
std::string_view code_name(ErrorCode code);

/// An error: what and why.
struct Error {
  ErrorCode code = ErrorCode::RUN;
  std::string message;
  std::optional<BadValue> bad_value = {};  // with INPUT_VALUE
};

}  // namespace tft

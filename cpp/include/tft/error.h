// The core's errors: a code that callers may rely on, and a message that says what to do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tft/bad_value.h"

namespace tft {

/// The kinds of errors. `code_name` gives the name that JavaScript sees.
enum class ErrorCode {
  NO_CUDA_DRIVER,       // libcuda does not load, or is too old
  NO_CUDA_DEVICE,       // the driver loads, but there is no usable device
  TENSORRT_NOT_FOUND,   // no TensorRT library loads
  TENSORRT_VERSION,     // one loads, but its version cannot be used
  PLAN_INVALID,         // TensorRT refuses the plan: damaged, not a plan, of another version
  PLAN_MISMATCH,        // the plan is sound but its inputs or outputs are not the model's
  PLUGIN,               // a plugin library does not load, or no library has a plugin that the plan needs
  BUILD,                // TensorRT's parser or builder refuses the model, or fails
  OUT_OF_MEMORY,        // device memory or pinned host memory; the message says how much was needed and free
  RUN,                  // a copy or a run failed; only its requests fail
  DEVICE_LOST,          // the device fails every call from now on; only a restart of the process helps
  INPUT_VALUE,          // borrowed inputs contain a value that the model cannot take (Error::bad_value)
  INPUT_LENGTH,         // borrowed inputs were unmapped before they were read
  QUEUE_FULL,           // too many series wait (Error::full_queue)
  DEADLINE,             // the request's deadline passed before it began to run
  ABORTED,              // the request was cancelled
  CLOSED,               // the engine is closed
  OPTION,               // an option or argument is out of range
  UNSUPPORTED,          // this TensorRT, GPU or system does not support it
  BACKEND_UNAVAILABLE,  // the library of the runtime is missing
  MODEL_NOT_FOUND,      // the bundle, or a file that it names, does not exist
  MODEL_INVALID,        // model.json or the model is damaged, or they contradict each other
  MODEL_HASH,           // a file of the bundle is not the one that model.json describes
};

/// The code's name with the prefix "ERR_TFT_": "ERR_TFT_QUEUE_FULL".
std::string_view code_name(ErrorCode code);

/// Why a request did not fit into the queue, in series.
struct FullQueue {
  std::int64_t waiting = 0;
  std::int64_t refused = 0;  // the request's own
  std::int64_t limit = 0;
};

/// An error: its code, and a message with the cause.
struct Error {
  ErrorCode code = ErrorCode::RUN;
  std::string message;
  std::optional<BadValue> bad_value = {};    // with INPUT_VALUE
  std::optional<FullQueue> full_queue = {};  // with QUEUE_FULL
};

}  // namespace tft

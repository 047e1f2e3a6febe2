// Requests to an engine: inputs and outputs, deadline, completion and timing.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tft/result.h"

namespace tft {

/// Series to forecast and memory for their predictions: row-major host arrays of `batch` items each. The
/// spans must stay valid during the call; each function says how long the arrays must.
struct Part {
  std::span<const void* const> inputs;  // one for each of ModelShape::inputs: floats or 32-bit integers
  int batch = 0;
  std::span<float* const> outputs;  // one for each of ModelShape::outputs
};

/// The arrays of the default model by name.
struct DefaultInputs {
  const float* encoder_cont = nullptr;
  const std::int32_t* encoder_cat = nullptr;
  const float* decoder_cont = nullptr;
  const std::int32_t* decoder_cat = nullptr;

  /// For Part::inputs.
  std::array<const void*, 4> list() const { return {encoder_cont, encoder_cat, decoder_cont, decoder_cat}; }
};

/// How long a request took, in microseconds. If it ran in several batches, the times of its longest run.
struct Timing {
  double queue_us = 0;    // from submit until its batch began
  double copy_in_us = 0;  // host to device; this and the next two are measured with CUDA events
  double run_us = 0;
  double copy_out_us = 0;
  int batch = 0;   // series in its batch, including those of other requests
  int bucket = 0;  // the size of its batch, including padding
};

/// Identifies an accepted request; never 0, and never reused by an engine.
using RequestId = std::uint64_t;

/// Called exactly once for each accepted request, on an engine thread, never inside submit, cancel or
/// predict. When `close` returns, all completions have been called. After an error the outputs are undefined.
/// Must not block, and must not call close or the destructor; may call submit and cancel.
using Completion = void (*)(RequestId id, const Result<Timing>& result, void* user) noexcept;

/// How and when a request's inputs are read.
enum class InputMemory {
  /// `submit` copies them, and the caller may reuse them when it returns. It checks their values only if
  /// Request::check asks for it; the caller can use find_bad_value instead.
  COPIED,
  /// A lane copies them when the request's batch runs, and checks every value of the copy. A bad value fails
  /// the request with INPUT_VALUE, but no other request of the batch. The arrays must stay valid until the
  /// completion is called; if they are written to before, the forecast is of a mixture of old and new values.
  BORROWED,
  /// As BORROWED, for memory that its owner may unmap at any moment, as JavaScript does with a transferred
  /// ArrayBuffer. The kernel copies it (process_vm_readv). If it is unmapped, the request fails with
  /// INPUT_LENGTH, whereas a plain copy would crash the process. If it was unmapped and reused, the copy
  /// succeeds with foreign data: the owner has to detect that and discard the result.
  REVOCABLE,
};

/// Whether this system allows reading REVOCABLE memory; some sandboxes forbid the system call.
bool can_read_revocable();

struct Request {
  using Clock = std::chrono::steady_clock;

  /// At least one part; all parts end together. The spans are copied before submit returns, the arrays as
  /// `inputs` says. From submit until the completion is called the engine may write to the outputs, even if
  /// the request fails.
  std::span<const Part> parts;
  /// The request fails with DEADLINE if it has not begun to run by then.
  Clock::time_point deadline = Clock::time_point::max();
  Completion completion = nullptr;
  void* user = nullptr;  // passed to the completion
  InputMemory inputs = InputMemory::COPIED;
  /// For COPIED: `submit` also checks every value, and returns INPUT_VALUE for the first bad one in order of
  /// parts, tensors and elements. Helper threads share the copy and the check, which pays for large requests.
  bool check = false;
};

/// From about this many bytes of inputs on, `check` is faster than find_bad_value followed by a copy.
inline constexpr std::size_t kCheckedCopyBytes = std::size_t{2} << 20;

}  // namespace tft

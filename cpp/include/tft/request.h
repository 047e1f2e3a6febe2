// What an engine takes and what it gives back: inputs, requests, and what each of them went through.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <span>

#include "tft/result.h"

namespace tft {

/// Series to forecast, and where their predictions go: row-major host arrays of `batch` items each. The lists
/// must be there as long as the call that they are passed to, the arrays as it says.
struct Part {
  std::span<const void* const>
      inputs;  // as many as ModelShape::inputs, in its order: floats or 32-bit integers
  int batch = 0;
  std::span<float* const> outputs;  // as many as ModelShape::outputs
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

/// What a request went through, its longest part's where it ran in several. Microseconds.
struct Timing {
  double queue_us = 0;    // from submit until its batch began
  double copy_in_us = 0;  // host to device, by CUDA's events like the next two
  double run_us = 0;
  double copy_out_us = 0;
  int batch = 0;   // servers in the batch that it ran in, others' included
  int bucket = 0;  // the batch that ran, padding included
};

/// Names an accepted request; never 0 and never used twice by one engine.
using RequestId = std::uint64_t;

/// Called exactly once for each accepted request, on an engine thread, never inside submit, cancel or
/// predict; by the time `close` returns it has been called for all. On an error the outputs hold nothing of
/// use. Must not block and must not call close or the destructor; submit and cancel are allowed.
using Completion = void (*)(RequestId id, const Result<Timing>& result, void* user) noexcept;

/// Who reads a request's inputs, and when.
enum class InputMemory {
  /// `submit` copies them: they may be reused at once. Their values are not looked at (find_bad_value does).
  COPIED,
  /// A lane copies them when the request's batch runs, and looks at every value of the copy: a bad one fails
  /// the request with INPUT_VALUE, and no other request of the batch. They must stay until the completion is
  /// called; who writes to them meanwhile gets a forecast of whatever mixture was read.
  BORROWED,
  /// As BORROWED, for memory that its owner may unmap at any moment, as JavaScript does with a transferred
  /// ArrayBuffer. The kernel copies it (process_vm_readv), which reports what is not mapped where a plain
  /// copy
  /// would end the process: the request then fails with INPUT_LENGTH. Memory that was unmapped and has
  /// another
  /// use by now is read as any other, so the owner has to know for itself that a result is worth nothing.
  REVOCABLE,
};

/// Whether this system lets REVOCABLE memory be read; some sandboxes forbid the call.
bool can_read_revocable();

struct Request {
  using Clock = std::chrono::steady_clock;

  /// At least one part; they run as one request and end together. The lists are copied before submit returns,
  /// the inputs when `inputs` says. The outputs belong to the engine from submit until the completion is
  /// called: they may be written at any time in between, also after an error was certain.
  std::span<const Part> parts;
  /// When to give up on it unless it has begun.
  Clock::time_point deadline = Clock::time_point::max();
  Completion completion = nullptr;
  void* user = nullptr;  // handed to the completion, never touched
  InputMemory inputs = InputMemory::COPIED;
};

}  // namespace tft

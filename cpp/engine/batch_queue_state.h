// The private state that the source files of the batch queue share.
#pragma once

#include <algorithm>

#include "engine/batch_queue.h"

namespace tft {

inline Error closed_error() { return {ErrorCode::CLOSED, "the engine is closed"}; }
inline Error deadline_error() {
  return {ErrorCode::DEADLINE, "the request's deadline passed before it began to run"};
}

/// Batches that run in order: the shared batches, or those of one large request.
struct Turn {
  std::deque<BatchQueue::Batch*> waiting;
  int running = 0;
};

/// A request from submit until its completion.
struct BatchQueue::State {
  RequestId id = 0;
  Completion completion = nullptr;
  void* user = nullptr;
  std::vector<Part> parts;  // without inputs, unless these are borrowed
  std::vector<const void*> inputs;
  std::vector<float*> outputs;
  InputMemory memory = InputMemory::COPIED;
  std::int64_t series = 0;
  Clock::time_point submitted;
  Clock::time_point deadline = Clock::time_point::max();
  std::vector<Batch*> waiting_in;  // batches with its pieces that have not begun
  int pieces_left = 0;             // pieces whose results are not delivered yet
  int in_use = 0;                  // lanes that are reading its borrowed inputs or writing to its outputs
  bool begun = false;
  bool submitting = false;     // `submit` is copying a part of it while others may run
  bool refused = false;        // `submit` returns an error: its arrays must not be touched
  bool settled = false;        // its completion is about to be called: its arrays must not be touched
  std::optional<Error> error;  // it ends with this as soon as no lane uses its arrays
  Timing timing;

  bool borrows() const { return memory != InputMemory::COPIED; }

  /// Copies the spans of the parts, which are valid only until submit returns.
  void keep(std::span<const Part> given) {
    outputs.reserve(given.size() * given.front().outputs.size());
    if (borrows()) inputs.reserve(given.size() * given.front().inputs.size());
    parts.reserve(given.size());
    for (const Part& part : given) {
      const auto out = outputs.insert(outputs.end(), part.outputs.begin(), part.outputs.end());
      Part& own = parts.emplace_back(Part{{}, part.batch, {out, part.outputs.size()}});
      if (!borrows()) continue;
      const auto in = inputs.insert(inputs.end(), part.inputs.begin(), part.inputs.end());
      own.inputs = {in, part.inputs.size()};
    }
  }
};

/// Consecutive series of one request in a batch: series `from` … `from + count` of the request are in the
/// slots from `slot` on.
struct BatchQueue::Batch::Piece {
  std::shared_ptr<State> state;
  std::int64_t from = 0;
  int count = 0;
  int slot = 0;
  bool handed_out = false;
  bool bad = false;  // its borrowed inputs were unmapped or have a bad value
};

/// A completion to call with the mutex released.
struct BatchQueue::Done {
  StatePointer state;
  Result<Timing> result;
};

}  // namespace tft

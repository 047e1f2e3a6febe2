// What the parts of the batch queue share, and nobody else sees.
#pragma once

#include <algorithm>

#include "engine/batch_queue.h"

namespace tft {

inline Error closed_error() { return {ErrorCode::CLOSED, "the engine is closed"}; }

/// Batches that run in order: the shared ones, or those of one large request.
struct Turn {
  std::deque<BatchQueue::Batch*> waiting;
  int running = 0;
};

/// A request from submit until its completion.
struct BatchQueue::State {
  RequestId id = 0;
  Completion completion = nullptr;
  void* user = nullptr;
  std::vector<Part> parts;  // without their inputs where these are copied when the request is submitted
  std::vector<const void*> inputs;
  std::vector<float*> outputs;
  InputMemory memory = InputMemory::COPIED;
  std::int64_t servers = 0;
  Clock::time_point submitted;
  Clock::time_point deadline = Clock::time_point::max();
  std::vector<Batch*> waiting_in;  // batches with pieces of it that have not begun
  int pieces_left = 0;             // not handed out yet
  int in_use = 0;                  // lanes that read its borrowed inputs or write to its `out` now
  bool begun = false;
  bool settled = false;        // its completion is on its way: its arrays must not be touched any more
  std::optional<Error> error;  // it will end with this, as soon as no lane uses its arrays
  Timing timing;

  bool borrows() const { return memory != InputMemory::COPIED; }

  /// The lists of the parts are the caller's, and gone when submit returns.
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

/// Servers of one request inside a batch: `count` from the request's server `from` on lie from `slot` on.
struct BatchQueue::Batch::Piece {
  std::shared_ptr<State> state;
  std::int64_t from = 0;
  int count = 0;
  int slot = 0;
  bool handed_out = false;
  bool bad = false;  // its borrowed inputs could not be used
};

/// A completion to be called without the mutex.
struct BatchQueue::Done {
  StatePointer state;
  Result<Timing> result;
};

}  // namespace tft

// Copies inputs into staging memory and checks every value of the copy: borrowed ones on a lane's thread,
// large others while they are submitted.
//
// It checks the copy, not the original, because the owner may write to the arrays at any moment and only
// checked values may run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/helpers.h"
#include "engine/staging.h"
#include "tft/error.h"
#include "tft/model_shape.h"
#include "tft/request.h"

namespace tft {

/// Series of a request to copy into a batch: the request's series `from` … `from + count` go into
/// the slots from `slot` on.
struct BorrowedSeries {
  std::span<const Part> parts;
  std::int64_t from = 0;
  int count = 0;
  int slot = 0;
  InputMemory memory = InputMemory::BORROWED;
};

/// Whether an error of one request comes first, in order of parts, tensors and elements; errors without a
/// place come before all others.
bool is_before(const Error& one, const Error& other);

class BorrowedReader {
 public:
  /// If `shape` has no inputs, values are not checked. `helpers` help with large batches, which are written
  /// past the processor's cache if `for_device`.
  BorrowedReader(BatchLayout layout, ModelShape shape, Helpers& helpers, bool for_device = false);

  /// Copies all of `list` into a batch's block. Returns for each entry its error, if any: INPUT_LENGTH, or
  /// INPUT_VALUE for the first bad value in order of parts, tensors and elements; its slots are then
  /// undefined. Any thread, several at once.
  std::vector<std::optional<Error>> read(std::span<const BorrowedSeries> list, std::byte* block);

 private:
  struct Chunk;
  std::optional<Error> read(const Chunk& chunk, const BatchLayout& layout, std::byte* block) const;
  std::optional<Error> stream(const Chunk& chunk, std::byte* block) const;

  const BatchLayout layout_;
  const ModelShape shape_;
  std::size_t chunk_series_ = 1;  // few enough to fit in the cache
  BatchLayout chunk_layout_;
  Helpers& helpers_;
  const bool for_device_;
};

}  // namespace tft

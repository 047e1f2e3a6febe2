// Copying borrowed inputs into staging memory, on a lane's thread, and looking at every value of the copy.
//
// It is the copy that is looked at: the owner may write to its arrays at any moment, and what was checked
// must be what runs.
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

/// Series of a borrowed request on their way into a batch: `count` from the request's series `from` on, into
/// the slots from `slot` on.
struct BorrowedSeries {
  std::span<const Part> parts;
  std::int64_t from = 0;
  int count = 0;
  int slot = 0;
  InputMemory memory = InputMemory::BORROWED;
};

class BorrowedReader {
 public:
  /// A shape without inputs: values are not looked at. So many threads help with large batches.
  BorrowedReader(BatchLayout layout, ModelShape shape, int helpers = 0);

  /// Copies all of them into a batch's block. For each what is wrong with it, INPUT_LENGTH or the first value
  /// in order of parts, tensors and elements; its slots then hold rubbish. Any thread, several at once.
  std::vector<std::optional<Error>> read(std::span<const BorrowedSeries> list, std::byte* block);

 private:
  struct Chunk;
  std::optional<Error> read(const Chunk& chunk, std::byte* block) const;

  const BatchLayout layout_;
  const ModelShape shape_;
  std::size_t series_bytes_ = 0;
  Helpers helpers_;
};

}  // namespace tft

// Staging memory: the host memory for the inputs and predictions of one batch, and the copies to and from it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/helpers.h"
#include "tft/model_shape.h"
#include "tft/request.h"
#include "tft/result.h"

namespace tft {

/// The bytes of one series in each tensor.
struct ItemBytes {
  std::vector<std::size_t> inputs, outputs;
};

/// OPTION for a tensor of a wrong type or size, or a model without inputs or outputs.
Result<ItemBytes> item_bytes(const ModelShape& shape);

/// TensorRT requires tensors to begin at multiples of this.
inline constexpr std::size_t kTensorAlignment = 256;
inline std::size_t aligned(std::size_t bytes) {
  return (bytes + kTensorAlignment - 1) / kTensorAlignment * kTensorAlignment;
}

/// The layout of a batch's tensors in one block of memory: each aligned, inputs before outputs. Blocks on the
/// host and on devices have the same layout.
struct BatchLayout {
  struct Tensor {
    std::size_t item = 0;    // bytes of one series
    std::size_t offset = 0;  // in the block
  };
  std::vector<Tensor> inputs, outputs;
  std::size_t bytes = 0;  // of the block

  BatchLayout() = default;
  /// A layout for `series` series.
  BatchLayout(const ItemBytes& items, int series);
};

/// Returns the number of series. OPTION for no parts, a batch below 1, a wrong number of arrays or a null
/// pointer.
Result<std::int64_t> check_parts(const BatchLayout& layout, std::span<const Part> parts);

/// Splits the series `from` … `from + count` by parts, and calls `use(part, first series within the part,
/// count, number of series before)` for each.
template <class Use>
void for_each_stretch(std::span<const Part> parts, std::int64_t from, int count, Use use) {
  std::int64_t done = 0;
  for (const Part& part : parts) {
    if (count == done) return;
    if (from >= part.batch) {
      from -= part.batch;
      continue;
    }
    const std::int64_t stretch = std::min<std::int64_t>(part.batch - from, count - done);
    use(part, static_cast<std::size_t>(from), static_cast<std::size_t>(stretch),
        static_cast<std::size_t>(done));
    done += stretch;
    from = 0;
  }
}

/// Copies series `from` … `from + count` of a list of parts into the block's slots from `slot` on.
void copy_in(const BatchLayout& layout, std::span<const Part> parts, std::int64_t from, int count,
             std::byte* block, int slot);
/// Copies predictions from the block to the parts' outputs; `helpers` share the copying of large ones.
void copy_out(const BatchLayout& layout, std::span<const Part> parts, std::int64_t from, int count,
              const std::byte* block, int slot, Helpers& helpers);

}  // namespace tft

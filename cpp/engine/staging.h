// Staging memory: where the inputs and predictions of one batch lie on the host, and the copies to and from
// it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tft/model_shape.h"
#include "tft/request.h"
#include "tft/result.h"

namespace tft {

/// The bytes of one server in each tensor.
struct ItemBytes {
  std::array<std::size_t, 4> inputs{};
  std::size_t output = 0;
};

/// OPTION for a tensor of a wrong type or size.
Result<ItemBytes> item_bytes(const ModelShape& shape);

/// Where TensorRT wants tensors to begin; staging memory has the same layout as a lane's device memory.
inline constexpr std::size_t kTensorAlignment = 256;
inline std::size_t aligned(std::size_t bytes) {
  return (bytes + kTensorAlignment - 1) / kTensorAlignment * kTensorAlignment;
}

/// The bytes of a block that holds so many servers of each tensor, each tensor aligned.
std::size_t staging_bytes(const ItemBytes& bytes, int servers);

/// Such a block's parts.
struct Staging {
  std::array<std::byte*, 4> inputs{};
  std::byte* output = nullptr;

  static Staging within(std::byte* block, const ItemBytes& bytes, int servers);
};

/// OPTION for no parts, a batch below 1 or a null pointer; else the number of servers.
Result<std::int64_t> check_parts(std::span<const Part> parts);

/// Copies servers `from` … `from + count` of a list of parts into slots from `slot` on.
void copy_in(const ItemBytes& bytes, std::span<const Part> parts, std::int64_t from, int count,
             const Staging& staging, int slot);
/// And predictions back.
void copy_out(const ItemBytes& bytes, std::span<const Part> parts, std::int64_t from, int count,
              const Staging& staging, int slot);

}  // namespace tft

// Finds values that the model cannot take.
#include "tft/bad_value.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>

namespace tft {
namespace {

constexpr std::uint32_t kExponent = 0x7f800000;  // all ones in infinities and NaN
constexpr std::uint32_t kLowestExponentBit = 0x00800000;
constexpr std::uint32_t kMagnitude = 0x7fffffff;
constexpr std::uint32_t kSign = 0x80000000;

std::size_t item_length(const TensorShape& shape) {
  std::size_t length = 1;
  for (const std::int64_t size : shape.item) length *= static_cast<std::size_t>(size);
  return length;
}

// Both scans check a block of values without branches, so that the compiler vectorizes the loop.

bool find_infinite(const float* values, std::size_t count, std::size_t& where) {
  constexpr std::size_t kBlock = 1024;
  for (std::size_t start = 0; start < count; start += kBlock) {
    const std::size_t end = start + kBlock < count ? start + kBlock : count;
    // If all exponent bits are set, adding the lowest exponent bit carries into the sign bit.
    std::uint32_t carries = 0;
    for (std::size_t i = start; i < end; ++i)
      carries |= (std::bit_cast<std::uint32_t>(values[i]) & kMagnitude) + kLowestExponentBit;
    if ((carries & kSign) == 0) continue;
    for (where = start; (std::bit_cast<std::uint32_t>(values[where]) & kExponent) != kExponent;) ++where;
    return true;
  }
  return false;
}

bool find_unknown(const std::int32_t* values, std::size_t count, std::span<const std::int32_t> codes,
                  std::size_t& where) {
  // The largest code at each position of a block: one loop scans a block, whatever the number of channels.
  std::array<std::uint32_t, 64> largest;
  const std::size_t channels = codes.size();
  const std::size_t block = channels > largest.size() ? channels : largest.size() / channels * channels;
  for (std::size_t i = 0; i < std::min(channels, largest.size()); ++i)
    largest[i] = static_cast<std::uint32_t>(codes[i]) - 1;
  for (std::size_t i = channels; i < std::min(block, largest.size()); ++i) largest[i] = largest[i - channels];
  for (std::size_t start = 0; start < count; start += block) {
    const std::size_t length = start + block < count ? block : count - start;
    // For a valid code, both the code and its distance to the largest are non-negative.
    std::uint32_t signs = block > largest.size() ? kSign : 0;
    const std::size_t scanned = std::min(length, largest.size());
    for (std::size_t i = 0; i < scanned; ++i) {
      const auto code = static_cast<std::uint32_t>(values[start + i]);
      signs |= code | (largest[i] - code);
    }
    if ((signs & kSign) == 0) continue;
    for (where = start; where < start + length; ++where) {
      const auto code = static_cast<std::uint32_t>(values[where]);
      if (code >= static_cast<std::uint32_t>(codes[(where - start) % channels])) return true;
    }
  }
  return false;
}

}  // namespace

bool find_bad_value(const ModelShape& shape, std::span<const void* const> inputs, int batch, BadValue& bad) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const TensorShape& tensor = shape.inputs[i];
    const std::size_t count = static_cast<std::size_t>(batch) * item_length(tensor);
    if (tensor.type == ElementType::FLOAT32) {
      const auto* const values = static_cast<const float*>(inputs[i]);
      if (!find_infinite(values, count, bad.index)) continue;
      bad.value = static_cast<double>(values[bad.index]);
    } else {
      const auto* const values = static_cast<const std::int32_t*>(inputs[i]);
      if (tensor.codes.empty() || !find_unknown(values, count, tensor.codes, bad.index)) continue;
      bad.value = static_cast<double>(values[bad.index]);
    }
    bad.input = static_cast<int>(i);
    return true;
  }
  return false;
}

}  // namespace tft

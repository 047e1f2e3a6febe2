// Looking for values that the model cannot take.
#include "tft/bad_value.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

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

// Both scans go block by block, each block without a branch, so that the compiler takes many values at once.

bool find_infinite(const float* values, std::size_t count, std::size_t& where) {
  constexpr std::size_t kBlock = 1024;
  for (std::size_t start = 0; start < count; start += kBlock) {
    const std::size_t end = start + kBlock < count ? start + kBlock : count;
    // With all exponent bits set, one more in the lowest of them carries into the sign bit.
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
  // The largest code for each place of a block, so that a block is one loop whatever the number of channels.
  std::array<std::uint32_t, 64> largest;
  const std::size_t channels = codes.size();
  const std::size_t block = channels > largest.size() ? channels : largest.size() / channels * channels;
  for (std::size_t i = 0; i < std::min(channels, largest.size()); ++i)
    largest[i] = static_cast<std::uint32_t>(codes[i]) - 1;
  for (std::size_t i = channels; i < std::min(block, largest.size()); ++i) largest[i] = largest[i - channels];
  for (std::size_t start = 0; start < count; start += block) {
    const std::size_t length = start + block < count ? block : count - start;
    // Neither a good code nor what is left up to the largest has a sign.
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

bool find_bad_value(const ModelShape& shape, std::span<const std::int32_t> codes, const Inputs& inputs,
                    int batch, BadValue& bad) {
  const auto servers = static_cast<std::size_t>(batch);
  const auto numbers = [&](int input, const float* values) {
    if (!find_infinite(values, servers * item_length(shape.inputs[static_cast<std::size_t>(input)]),
                       bad.index))
      return false;
    bad.input = input;
    bad.value = static_cast<double>(values[bad.index]);
    return true;
  };
  const auto categories = [&](int input, const std::int32_t* values) {
    const std::size_t count = servers * item_length(shape.inputs[static_cast<std::size_t>(input)]);
    if (codes.empty() || !find_unknown(values, count, codes, bad.index)) return false;
    bad.input = input;
    bad.value = static_cast<double>(values[bad.index]);
    return true;
  };
  return numbers(0, inputs.encoder_cont) || categories(1, inputs.encoder_cat) ||
         numbers(2, inputs.decoder_cont) || categories(3, inputs.decoder_cat);
}

}  // namespace tft

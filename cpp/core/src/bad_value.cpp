// Looking for values that the model cannot take.
#include <bit>
#include <cstdint>

#include "tft/engine.h"

namespace tft {
namespace {

constexpr std::uint32_t kExponent = 0x7f800000;  // all ones in infinities and NaN

std::size_t item_length(const TensorShape& shape) {
  std::size_t length = 1;
  for (const std::int64_t size : shape.item) length *= static_cast<std::size_t>(size);
  return length;
}

bool find_infinite(const float* values, std::size_t count, std::size_t& where) {
  // In blocks without branches, so that the compiler can take many values at once.
  constexpr std::size_t kBlock = 256;
  for (std::size_t start = 0; start < count; start += kBlock) {
    const std::size_t end = start + kBlock < count ? start + kBlock : count;
    std::uint32_t any = 0;
    for (std::size_t i = start; i < end; ++i)
      any |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(values[i]) & kExponent) == kExponent);
    if (any == 0) continue;
    for (where = start; (std::bit_cast<std::uint32_t>(values[where]) & kExponent) != kExponent;) ++where;
    return true;
  }
  return false;
}

bool find_unknown(const std::int32_t* values, std::size_t count, std::span<const std::int32_t> codes,
                  std::size_t& where) {
  for (std::size_t row = 0; row < count; row += codes.size()) {
    for (std::size_t channel = 0; channel < codes.size(); ++channel) {
      if (static_cast<std::uint32_t>(values[row + channel]) < static_cast<std::uint32_t>(codes[channel]))
        continue;
      where = row + channel;
      return true;
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

// Copies past the processor's cache: of any length from and to any place.
#include "engine/stream_copy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace tft {
namespace {

TEST(StreamCopy, CopiesAnyLengthFromAnyPlaceToAnyPlaceAndNothingElse) {
  constexpr std::size_t kPlaces = 70;
  constexpr std::size_t kLengths = 200;
  constexpr std::byte kUntouched{0xEE};
  std::vector<std::byte> source(kPlaces + kLengths);
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<std::byte>(i % 200);
  for (std::size_t to = 0; to < kPlaces; ++to) {
    for (std::size_t length = 0; length < kLengths; ++length) {
      const std::size_t from = (7 * to + length) % kPlaces;
      std::vector<std::byte> target(kPlaces + kLengths, kUntouched);
      std::vector<std::byte> expected = target;
      std::copy_n(source.begin() + static_cast<std::ptrdiff_t>(from), length,
                  expected.begin() + static_cast<std::ptrdiff_t>(to));
      stream_copy(target.data() + to, source.data() + from, length);
      ASSERT_EQ(target, expected) << length << " bytes from " << from << " to " << to;
    }
  }
}

}  // namespace
}  // namespace tft

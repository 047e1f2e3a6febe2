// Helper threads: work and copies are shared, whole, and safe from several threads at once.
#include "engine/helpers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace tft {
namespace {

std::vector<std::uint8_t> numbered(std::size_t bytes, std::size_t start) {
  std::vector<std::uint8_t> values(bytes);
  for (std::size_t i = 0; i < bytes; ++i) values[i] = static_cast<std::uint8_t>((i + start) % 251);
  return values;
}

TEST(Helpers, CopiesOfAnySizeAreWhole) {
  for (const int threads : {0, 3}) {
    Helpers helpers(threads);
    for (const std::size_t bytes : {0U, 1U, 524'287U, 524'288U, 655'361U, 3'000'001U}) {
      const std::vector<std::uint8_t> from = numbered(bytes, bytes);
      std::vector<std::uint8_t> to(bytes + 1, 255);
      helpers.copy(to.data(), from.data(), bytes);
      EXPECT_EQ(to.back(), 255) << bytes;
      to.pop_back();
      EXPECT_EQ(to, from) << bytes;
    }
  }
}

TEST(Helpers, SeveralThreadsShareThemAtOnce) {
  Helpers helpers(2);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> callers;
  for (std::size_t caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&, caller] {
      const std::vector<std::uint8_t> from = numbered(700'000, caller);
      for (int round = 0; round < 20; ++round) {
        std::vector<std::uint8_t> to(from.size());
        helpers.copy(to.data(), from.data(), from.size());
        if (to != from) ++wrong;
        std::atomic<int> calls = 0;
        helpers.share(7, [&](std::size_t) { ++calls; });
        if (calls != 7) ++wrong;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace tft

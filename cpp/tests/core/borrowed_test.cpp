// Borrowed inputs: the copies, past the processor's cache or not, the check of their values, and the error
// for unmapped memory.
#include "engine/borrowed.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <limits>
#include <thread>

namespace tft {
namespace {

constexpr int kSeries = 300;
constexpr std::size_t kSteps =
    1000;  // 4 KB per series and tensor, so that 300 series are read in several chunks

ModelShape shape() {
  return {{{"load", ElementType::FLOAT32, {kSteps}}, {"host", ElementType::INT32, {kSteps}, {7}}},
          {{"forecast", ElementType::FLOAT32, {1}}}};
}

/// The parameter: whether a device reads the copy.
class Borrowed : public testing::TestWithParam<bool> {
 protected:
  Part part() {
    inputs_ = {load_.data(), host_.data()};
    return {inputs_, kSeries, {&out_, 1}};
  }
  std::optional<Error> read(std::span<const Part> parts, std::int64_t from, int count,
                            InputMemory memory = InputMemory::REVOCABLE) {
    const BorrowedSeries series{parts, from, count, 0, memory};
    return reader_.read({&series, 1}, block_.data()).front();
  }

  std::vector<float> load_ = std::vector<float>(kSeries * kSteps, 1.5F);
  std::vector<std::int32_t> host_ = std::vector<std::int32_t>(kSeries * kSteps, 6);
  std::array<const void*, 2> inputs_{};
  float value_ = 0;
  float* out_ = &value_;
  const BatchLayout layout_{ItemBytes{{4 * kSteps, 4 * kSteps}, {4}}, 2 * kSeries};
  Helpers none_{0};
  BorrowedReader reader_{layout_, shape(), none_, GetParam()};
  std::vector<std::byte> block_ = std::vector<std::byte>(layout_.bytes);
};

TEST_P(Borrowed, SeriesOfSeveralPartsAreCopiedWhole) {
  for (const InputMemory memory : {InputMemory::BORROWED, InputMemory::REVOCABLE}) {
    for (std::size_t i = 0; i < load_.size(); ++i) load_[i] = static_cast<float>(i);
    const std::array parts{part(), part()};
    ASSERT_FALSE(read(parts, 10, 2 * kSeries - 20, memory));
    const auto* const load = reinterpret_cast<const float*>(block_.data());
    for (std::size_t i = 0; i < (2 * kSeries - 20) * kSteps; ++i)
      ASSERT_EQ(load[i], static_cast<float>((10 * kSteps + i) % load_.size()));
  }
}

TEST_P(Borrowed, TheFirstBadValueIsReportedWhicheverChunkHasIt) {
  const std::array parts{part(), part()};
  host_[20] = 7;
  load_[290 * kSteps + 3] = std::numeric_limits<float>::infinity();
  const auto error = read(parts, 0, 2 * kSeries);
  ASSERT_TRUE(error && error->bad_value);
  EXPECT_EQ(error->code, ErrorCode::INPUT_VALUE);
  EXPECT_EQ(error->bad_value->part, 0);
  EXPECT_EQ(error->bad_value->input, 0);
  EXPECT_EQ(error->bad_value->index, 290 * kSteps + 3);
  const auto second = read(parts, kSeries, 280);
  ASSERT_TRUE(second && second->bad_value);
  EXPECT_EQ(second->bad_value->part, 1);
  EXPECT_EQ(second->bad_value->input, 1);
  EXPECT_EQ(second->bad_value->index, 20U);
  EXPECT_EQ(second->bad_value->value, 7);
}

TEST_P(Borrowed, WithHelpersCopiesAndErrorsAreTheSame) {
  Helpers helpers(3);
  BorrowedReader reader(layout_, shape(), helpers, GetParam());
  std::vector<std::thread> lanes;
  std::atomic<int> wrong = 0;
  for (std::size_t i = 0; i < load_.size(); ++i) load_[i] = static_cast<float>(i % 1000);
  const std::array parts{part(), part()};
  for (int lane = 0; lane < 3; ++lane) {
    lanes.emplace_back([&, lane] {
      std::vector<std::byte> block(layout_.bytes);
      for (int round = 0; round < 20; ++round) {
        const BorrowedSeries series{parts, 10 * lane, 2 * kSeries - 30, 0, InputMemory::BORROWED};
        if (reader.read({&series, 1}, block.data()).front()) ++wrong;
        for (std::size_t tensor = 0; tensor < 2; ++tensor) {
          const auto* const copied = block.data() + layout_.inputs[tensor].offset;
          const std::size_t item = layout_.inputs[tensor].item;
          for (std::size_t i = 0; i < 2 * kSeries - 30; ++i)
            if (std::memcmp(copied + i * item,
                            static_cast<const std::byte*>(inputs_[tensor]) +
                                (i + 10 * static_cast<std::size_t>(lane)) % kSeries * item,
                            item) != 0)
              ++wrong;
        }
      }
    });
  }
  for (std::thread& lane : lanes) lane.join();
  EXPECT_EQ(wrong, 0);
  host_[250 * kSteps] = -1;
  host_[20 * kSteps] = 7;
  const BorrowedSeries series{parts, 0, 2 * kSeries, 0, InputMemory::REVOCABLE};
  const auto error = reader.read({&series, 1}, block_.data()).front();
  ASSERT_TRUE(error && error->bad_value);
  EXPECT_EQ(error->bad_value->part, 0);
  EXPECT_EQ(error->bad_value->index, 20 * kSteps);
}

TEST_P(Borrowed, UnmappedMemoryIsAnErrorAndDoesNotCrashTheProcess) {
  ASSERT_TRUE(can_read_revocable());
  const auto page = static_cast<std::size_t>(getpagesize());
  const std::size_t bytes = load_.size() * sizeof(float);
  for (const std::size_t kept : {std::size_t{0}, page, bytes / 2 / page * page}) {
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    Part one = part();
    inputs_[0] = memory;
    EXPECT_FALSE(read({&one, 1}, 0, kSeries));
    ASSERT_EQ(munmap(static_cast<std::byte*>(memory) + kept, bytes - kept), 0);
    const auto error = read({&one, 1}, 0, kSeries);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, ErrorCode::INPUT_LENGTH);
    EXPECT_NE(error->message.find("'load'"), std::string::npos);
    if (kept > 0) munmap(memory, kept);
  }
}

INSTANTIATE_TEST_SUITE_P(ForHostAndDevice, Borrowed, testing::Bool());

}  // namespace
}  // namespace tft

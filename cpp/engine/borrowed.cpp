// Copies and checks borrowed inputs, whose memory may be unmapped.
#include "engine/borrowed.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <tuple>
#include <utility>

#include "engine/stream_copy.h"
#include "tft/bad_value.h"

#if defined(__linux__)
#include <sys/uio.h>
#include <unistd.h>
#endif

namespace tft {
namespace {

/// Small enough for the copy to be in the processor's cache when its values are checked.
constexpr std::size_t kChunkBytes = std::size_t{256} << 10;

/// Fewer chunks are copied faster than a helper wakes up.
constexpr std::size_t kSharedChunks = 8;

/// A contiguous range of memory to copy.
struct Copy {
  std::byte* to = nullptr;
  const void* from = nullptr;
  std::size_t bytes = 0;
};

/// Copies through the kernel with one system call, which stops at unmapped memory. Returns the index of the
/// first incomplete copy, or the number of copies if all are complete.
std::size_t copy_revocable(std::span<const Copy> copies) {
#if defined(__linux__)
  std::vector<iovec> to;
  std::vector<iovec> from;
  for (const Copy& copy : copies) {
    to.push_back({copy.to, copy.bytes});
    from.push_back({const_cast<void*>(copy.from), copy.bytes});
  }
  const ssize_t read = process_vm_readv(getpid(), to.data(), to.size(), from.data(), from.size(), 0);
  auto left = static_cast<std::size_t>(std::max<ssize_t>(read, 0));
  std::size_t whole = 0;
  while (whole < copies.size() && left >= copies[whole].bytes) left -= copies[whole++].bytes;
  return whole;
#else
  (void)copies;
  return 0;
#endif
}

}  // namespace

bool is_before(const Error& one, const Error& other) {
  if (!one.bad_value || !other.bad_value) return !one.bad_value && other.bad_value;
  const auto place = [](const BadValue& bad) { return std::tuple(bad.part, bad.input, bad.index); };
  return place(*one.bad_value) < place(*other.bad_value);
}

bool can_read_revocable() {
  static const bool can = [] {
    std::byte to{};
    const std::byte from{1};
    const Copy copy{&to, &from, 1};
    return copy_revocable({&copy, 1}) == 1;
  }();
  return can;
}

/// Consecutive series of one part.
struct BorrowedReader::Chunk {
  const Part* part = nullptr;
  std::size_t list = 0;    // index in the list of BorrowedSeries
  std::size_t number = 0;  // the part's index in its request
  std::size_t first = 0;   // the first series within the part
  std::size_t series = 0;
  std::size_t slot = 0;
  bool revocable = false;
};

BorrowedReader::BorrowedReader(BatchLayout layout, ModelShape shape, Helpers& helpers, bool for_device)
    : layout_(std::move(layout)), shape_(std::move(shape)), helpers_(helpers), for_device_(for_device) {
  ItemBytes items;
  std::size_t series_bytes = 0;
  for (const BatchLayout::Tensor& input : layout_.inputs) {
    items.inputs.push_back(input.item);
    series_bytes += input.item;
  }
  chunk_series_ = std::max<std::size_t>(1, kChunkBytes / std::max<std::size_t>(1, series_bytes));
  chunk_layout_ = BatchLayout(items, static_cast<int>(chunk_series_));
}

std::vector<std::optional<Error>> BorrowedReader::read(std::span<const BorrowedSeries> list,
                                                       std::byte* block) {
  std::vector<Chunk> chunks;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const BorrowedSeries& one = list[i];
    for_each_stretch(one.parts, one.from, one.count,
                     [&](const Part& part, std::size_t first, std::size_t series, std::size_t before) {
                       for (std::size_t done = 0; done < series; done += chunk_series_)
                         chunks.push_back({&part, i, static_cast<std::size_t>(&part - one.parts.data()),
                                           first + done, std::min(chunk_series_, series - done),
                                           static_cast<std::size_t>(one.slot) + before + done,
                                           one.memory == InputMemory::REVOCABLE});
                     });
  }

  std::vector<std::optional<Error>> errors(list.size());
  const auto note = [&](const Chunk& chunk, std::optional<Error> error) {
    auto& first = errors[chunk.list];
    if (error && (!first || is_before(*error, *first))) first = std::move(error);
  };
  const bool large = chunks.size() >= kSharedChunks;
  const auto copy = [&](const Chunk& chunk) {
    return large && for_device_ ? stream(chunk, block) : read(chunk, layout_, block);
  };
  if (!large || !helpers_.any()) {
    for (const Chunk& chunk : chunks) note(chunk, copy(chunk));
    return errors;
  }
  std::vector<std::optional<Error>> found(chunks.size());
  helpers_.share(chunks.size(), [&](std::size_t i) { found[i] = copy(chunks[i]); });
  for (std::size_t i = 0; i < chunks.size(); ++i) note(chunks[i], std::move(found[i]));
  return errors;
}

/// As `read`, by way of memory of this thread, which stays in the cache while its values are checked.
std::optional<Error> BorrowedReader::stream(const Chunk& chunk, std::byte* block) const {
  thread_local std::vector<std::byte> cached;
  if (cached.size() < chunk_layout_.bytes) cached.resize(chunk_layout_.bytes);
  // A system call for each series would cost more than the larger copy does.
  const std::size_t at_once = chunk.revocable ? chunk.series : 1;
  for (std::size_t done = 0; done < chunk.series; done += at_once) {
    Chunk some = chunk;
    some.first += done;
    some.series = at_once;
    some.slot = 0;
    if (auto error = read(some, chunk_layout_, cached.data())) return error;
    for (std::size_t i = 0; i < layout_.inputs.size(); ++i) {
      const auto [item, offset] = layout_.inputs[i];
      stream_copy(block + offset + (chunk.slot + done) * item, cached.data() + chunk_layout_.inputs[i].offset,
                  at_once * item);
    }
  }
  return std::nullopt;
}

std::optional<Error> BorrowedReader::read(const Chunk& chunk, const BatchLayout& layout,
                                          std::byte* block) const {
  std::vector<Copy> copies;
  std::vector<const void*> copied;
  for (std::size_t i = 0; i < layout.inputs.size(); ++i) {
    const auto [item, offset] = layout.inputs[i];
    std::byte* const to = block + offset + chunk.slot * item;
    const auto* const from = static_cast<const std::byte*>(chunk.part->inputs[i]) + chunk.first * item;
    copies.push_back({to, from, chunk.series * item});
    copied.push_back(to);
  }
  if (!chunk.revocable) {
    for (const Copy& copy : copies) std::memcpy(copy.to, copy.from, copy.bytes);
  } else if (const std::size_t failed = copy_revocable(copies); failed < copies.size()) {
    const std::string name = shape_.inputs.empty() ? std::to_string(failed) : shape_.inputs[failed].name;
    return Error{ErrorCode::INPUT_LENGTH,
                 "the borrowed input '" + name +
                     "' was unmapped before it was read; do not transfer or resize inputs until the request "
                     "has ended"};
  }
  if (shape_.inputs.empty()) return std::nullopt;
  BadValue bad;
  if (!find_bad_value(shape_, copied, static_cast<int>(chunk.series), bad)) return std::nullopt;
  bad.part = static_cast<int>(chunk.number);
  bad.index += chunk.first * layout_.inputs[static_cast<std::size_t>(bad.input)].item / sizeof(float);
  return Error{ErrorCode::INPUT_VALUE, "a value that the model cannot take", bad};
}

}  // namespace tft

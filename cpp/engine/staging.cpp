// The layout of staging memory, and copies between it and callers' arrays.
#include "engine/staging.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "engine/option_checks.h"

namespace tft {
namespace {

/// Calls `use(part, first server within the part, count, servers before)` for each stretch of servers from …
/// from+count.
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

std::array<const std::byte*, 4> as_bytes(const Inputs& inputs) {
  const auto bytes = [](const void* memory) { return static_cast<const std::byte*>(memory); };
  return {bytes(inputs.encoder_cont), bytes(inputs.encoder_cat), bytes(inputs.decoder_cont),
          bytes(inputs.decoder_cat)};
}

}  // namespace

Result<ItemBytes> item_bytes(const ModelShape& shape) {
  const auto bytes = [](const TensorShape& tensor, ElementType type, std::size_t& result) {
    result = 4;  // of a float and of an int32
    for (const std::int64_t size : tensor.item) {
      if (size < 1) return false;
      result *= static_cast<std::size_t>(size);
    }
    return tensor.type == type && !tensor.item.empty();
  };
  constexpr std::array kTypes = {ElementType::FLOAT32, ElementType::INT32, ElementType::FLOAT32,
                                 ElementType::INT32};
  ItemBytes all;
  for (std::size_t i = 0; i < kTypes.size(); ++i)
    if (!bytes(shape.inputs[i], kTypes[i], all.inputs[i]))
      return option_error("the model's input '" + shape.inputs[i].name + "' has a wrong type or size");
  if (!bytes(shape.output, ElementType::FLOAT32, all.output))
    return option_error("the model's output '" + shape.output.name + "' has a wrong type or size");
  return all;
}

std::size_t staging_bytes(const ItemBytes& bytes, int max_batch) {
  const auto servers = static_cast<std::size_t>(max_batch);
  std::size_t all = aligned(servers * bytes.output);
  for (const std::size_t item : bytes.inputs) all += aligned(servers * item);
  return all;
}

Staging Staging::within(std::byte* block, const ItemBytes& bytes, int max_batch) {
  const auto servers = static_cast<std::size_t>(max_batch);
  Staging staging;
  for (std::size_t i = 0; i < staging.inputs.size(); ++i) {
    staging.inputs[i] = block;
    block += aligned(servers * bytes.inputs[i]);
  }
  staging.output = block;
  return staging;
}

Result<std::int64_t> check_parts(std::span<const Part> parts) {
  if (parts.empty()) return Error{ErrorCode::OPTION, "the request has no parts"};
  std::int64_t servers = 0;
  for (const Part& part : parts) {
    if (part.batch < 1)
      return Error{ErrorCode::OPTION,
                   "a request's batch: found " + std::to_string(part.batch) + ", expected at least 1"};
    const Inputs& inputs = part.inputs;
    if (inputs.encoder_cont == nullptr || inputs.encoder_cat == nullptr || inputs.decoder_cont == nullptr ||
        inputs.decoder_cat == nullptr || part.out == nullptr)
      return Error{ErrorCode::OPTION, "a request's array is a null pointer"};
    servers += part.batch;
  }
  return servers;
}

void copy_in(const ItemBytes& bytes, std::span<const Part> parts, std::int64_t from, int count,
             const Staging& staging, int slot) {
  for_each_stretch(parts, from, count,
                   [&](const Part& part, std::size_t first, std::size_t servers, std::size_t before) {
                     const auto sources = as_bytes(part.inputs);
                     for (std::size_t i = 0; i < sources.size(); ++i) {
                       const std::size_t item = bytes.inputs[i];
                       std::memcpy(staging.inputs[i] + (static_cast<std::size_t>(slot) + before) * item,
                                   sources[i] + first * item, servers * item);
                     }
                   });
}

void copy_out(const ItemBytes& bytes, std::span<const Part> parts, std::int64_t from, int count,
              const Staging& staging, int slot) {
  for_each_stretch(parts, from, count,
                   [&](const Part& part, std::size_t first, std::size_t servers, std::size_t before) {
                     std::memcpy(reinterpret_cast<std::byte*>(part.out) + first * bytes.output,
                                 staging.output + (static_cast<std::size_t>(slot) + before) * bytes.output,
                                 servers * bytes.output);
                   });
}

}  // namespace tft

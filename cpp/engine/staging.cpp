// The layout of staging memory, and copies between it and callers' arrays.
#include "engine/staging.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "engine/option_checks.h"

namespace tft {
namespace {

/// Returns false if the tensor has no dimensions or one below 1.
bool item_bytes_of(const TensorShape& tensor, std::size_t& bytes) {
  bytes = 4;  // of a float and of an int32
  for (const std::int64_t size : tensor.item) {
    if (size < 1) return false;
    bytes *= static_cast<std::size_t>(size);
  }
  return !tensor.item.empty();
}

bool has_null(auto arrays) {
  return std::any_of(arrays.begin(), arrays.end(), [](const auto* array) { return array == nullptr; });
}

}  // namespace

Result<ItemBytes> item_bytes(const ModelShape& shape) {
  if (shape.inputs.empty()) return option_error("the model has no inputs");
  if (shape.outputs.empty()) return option_error("the model has no outputs");
  ItemBytes all;
  for (const TensorShape& input : shape.inputs)
    if (!item_bytes_of(input, all.inputs.emplace_back()))
      return option_error("the model's input '" + input.name + "' has a wrong type or size");
  for (const TensorShape& output : shape.outputs)
    if (!item_bytes_of(output, all.outputs.emplace_back()) || output.type != ElementType::FLOAT32)
      return option_error("the model's output '" + output.name + "' has a wrong type or size");
  return all;
}

BatchLayout::BatchLayout(const ItemBytes& items, int series) {
  const auto place = [&](const std::vector<std::size_t>& sizes, std::vector<Tensor>& tensors) {
    for (const std::size_t item : sizes) {
      tensors.push_back({item, bytes});
      bytes += aligned(static_cast<std::size_t>(series) * item);
    }
  };
  place(items.inputs, inputs);
  place(items.outputs, outputs);
}

Result<std::int64_t> check_parts(const BatchLayout& layout, std::span<const Part> parts) {
  if (parts.empty()) return Error{ErrorCode::OPTION, "the request has no parts"};
  std::int64_t series = 0;
  for (const Part& part : parts) {
    if (part.batch < 1)
      return Error{ErrorCode::OPTION,
                   "a request's batch: found " + std::to_string(part.batch) + ", expected at least 1"};
    const auto wrong = [](const char* what, std::size_t found, std::size_t expected) {
      return Error{ErrorCode::OPTION, std::string("a request's ") + what + ": found " +
                                          std::to_string(found) + " arrays, expected " +
                                          std::to_string(expected)};
    };
    if (part.inputs.size() != layout.inputs.size())
      return wrong("inputs", part.inputs.size(), layout.inputs.size());
    if (part.outputs.size() != layout.outputs.size())
      return wrong("outputs", part.outputs.size(), layout.outputs.size());
    if (has_null(part.inputs) || has_null(part.outputs))
      return Error{ErrorCode::OPTION, "a request's array is a null pointer"};
    series += part.batch;
  }
  return series;
}

void copy_in(const BatchLayout& layout, std::span<const Part> parts, std::int64_t from, int count,
             std::byte* block, int slot) {
  for_each_stretch(
      parts, from, count, [&](const Part& part, std::size_t first, std::size_t series, std::size_t before) {
        for (std::size_t i = 0; i < layout.inputs.size(); ++i) {
          const auto [item, offset] = layout.inputs[i];
          std::memcpy(block + offset + (static_cast<std::size_t>(slot) + before) * item,
                      static_cast<const std::byte*>(part.inputs[i]) + first * item, series * item);
        }
      });
}

void copy_out(const BatchLayout& layout, std::span<const Part> parts, std::int64_t from, int count,
              const std::byte* block, int slot, Helpers& helpers) {
  for_each_stretch(
      parts, from, count, [&](const Part& part, std::size_t first, std::size_t series, std::size_t before) {
        for (std::size_t i = 0; i < layout.outputs.size(); ++i) {
          const auto [item, offset] = layout.outputs[i];
          std::byte* const to = reinterpret_cast<std::byte*>(part.outputs[i]) + first * item;
          const std::byte* const of = block + offset + (static_cast<std::size_t>(slot) + before) * item;
          helpers.copy(to, of, series * item);
        }
      });
}

}  // namespace tft

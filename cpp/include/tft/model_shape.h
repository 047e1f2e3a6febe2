// A model's tensors, as model.json describes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tft {

enum class ElementType { FLOAT32, INT32 };

/// One tensor of the model as model.json has it, without its first dimension, the batch: {288, 14}.
struct TensorShape {
  std::string name;
  ElementType type = ElementType::FLOAT32;
  std::vector<std::int64_t> item;
  /// Of categories (INT32): how many codes each channel, the last dimension, has. Empty: any number will do.
  std::vector<std::int32_t> codes = {};
};

/// What the plan must have, no more and no less.
struct ModelShape {
  /// In the order in which requests pass their arrays. The default model has encoder continuous, encoder
  /// categories, decoder continuous, decoder categories; others have more or fewer.
  std::vector<TensorShape> inputs;
  std::vector<TensorShape> outputs;  // FLOAT32 all
};

}  // namespace tft

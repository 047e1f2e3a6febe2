// A model's tensors, as model.json describes them.
#pragma once

#include <array>
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
};

/// What the plan must have, no more and no less.
struct ModelShape {
  /// Encoder continuous, encoder categories, decoder continuous, decoder categories: the order of `Inputs`.
  std::array<TensorShape, 4> inputs;
  TensorShape output;
};

}  // namespace tft

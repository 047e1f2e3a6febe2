// A model's tensors, as model.json describes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tft {

enum class ElementType { FLOAT32, INT32 };

/// One tensor of the model as model.json describes it. `item` is its shape without the first dimension, the
/// batch: {288, 14}.
struct TensorShape {
  std::string name;
  ElementType type = ElementType::FLOAT32;
  std::vector<std::int64_t> item;
  /// For categories (INT32): the number of codes of each channel (the last dimension). Empty: any code is
  /// valid.
  std::vector<std::int32_t> codes = {};
};

/// The tensors that a plan must have, no more and no fewer.
struct ModelShape {
  /// In the order of a request's arrays. The default model has encoder continuous, encoder categories,
  /// decoder continuous, decoder categories; others have more or fewer.
  std::vector<TensorShape> inputs;
  std::vector<TensorShape> outputs;  // all FLOAT32
};

}  // namespace tft

// The check of inputs for values that the model cannot take.
#pragma once

#include <cstddef>
#include <span>

#include "tft/model_shape.h"

namespace tft {

/// A value that the model cannot take.
struct BadValue {
  int part = 0;           // place in Request::parts; 0 where one part alone was looked at
  int input = 0;          // place in ModelShape::inputs
  std::size_t index = 0;  // of the element in the array
  double value = 0;
};

/// Looks for the first NaN, infinity or category code outside 0 … codes-1 (TensorShape::codes) in the arrays
/// of ModelShape::inputs. Needs no engine; fast enough to be called for each request. Returns false when
/// there is none.
bool find_bad_value(const ModelShape& shape, std::span<const void* const> inputs, int batch, BadValue& bad);

}  // namespace tft

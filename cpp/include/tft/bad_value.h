// Finds input values that the model cannot take.
#pragma once

#include <cstddef>
#include <span>

#include "tft/model_shape.h"

namespace tft {

/// A value that the model cannot take.
struct BadValue {
  int part = 0;           // index in Request::parts; 0 if only one part was checked
  int input = 0;          // index in ModelShape::inputs
  std::size_t index = 0;  // of the element in the array
  double value = 0;
};

/// Finds the first NaN, infinity or category code outside 0 … codes-1 (TensorShape::codes) in the arrays of
/// ModelShape::inputs. Returns false if there is none. Needs no engine, and is fast enough to check each
/// request.
bool find_bad_value(const ModelShape& shape, std::span<const void* const> inputs, int batch, BadValue& bad);

}  // namespace tft

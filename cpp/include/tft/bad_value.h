// The check of inputs for values that the model cannot take.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tft/model_shape.h"
#include "tft/request.h"

namespace tft {

/// A value that the model cannot take.
struct BadValue {
  int input = 0;          // place in ModelShape::inputs
  std::size_t index = 0;  // of the element in the array
  double value = 0;
};

/// Looks for the first NaN, infinity or category code outside 0 … codes-1. `codes` has the number of codes of
/// each category channel. Needs no engine; fast enough to be called for each request.
/// Returns false when there is none.
bool find_bad_value(const ModelShape& shape, std::span<const std::int32_t> codes, const Inputs& inputs,
                    int batch, BadValue& bad);

}  // namespace tft

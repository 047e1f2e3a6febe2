// The bodies of POST /predict: the input tensors by name, and the predictions as nested arrays.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "server/inputs.h"

namespace tft::server {

/// Throws HTTP_BODY, INPUT_…, HTTP_TOO_LARGE, HTTP_OVERLOADED. `most`: of series.
Inputs read_predict(std::string_view body, const ServedModel& model, std::size_t most, Holding& holding);

std::string write_predict(const ServedModel& model, std::span<const float> predictions, int series);

}  // namespace tft::server

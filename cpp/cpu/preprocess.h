// Converts a series' raw inputs to the network's inputs; the formulas are those of
// cpp/plugins/preprocess.cuh.
#pragma once

#include "plugins/parameters.h"

namespace tft::cpu {

/// `target` has room for the past's steps.
void preprocess_series(const plugins::PreprocessParameters& p, int series, float* target);

}  // namespace tft::cpu

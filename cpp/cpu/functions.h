// What each level provides. compute.h is compiled once for each, with the instructions of that level.
#pragma once

#include <cstddef>

#include "plugins/parameters.h"

namespace tft::cpu {

/// The weights of an LSTM as [inputs, gates, padded units], gates i, f, g, o.
struct PackedLstm {
  const float *weight, *recurrence, *bias;
};

struct Functions {
  int width;  // floats in a vector
  std::size_t (*selection_floats)(const plugins::VariableSelectionParameters& p);
  void (*variable_selection)(const plugins::VariableSelectionParameters& p, float* memory);
  void (*static_contexts)(const plugins::StaticContextsParameters& p);
  std::size_t (*recurrence_floats)(const plugins::RecurrenceParameters& p);
  /// `packed` has the weights of each sequence.
  void (*recurrence)(const plugins::RecurrenceParameters& p, const PackedLstm* packed, float* memory);
  std::size_t (*decoder_floats)(const plugins::EnrichmentParameters& e);
  void (*decoder)(const plugins::EnrichmentParameters& e, const plugins::AttentionParameters& a,
                  float* memory);
};

const Functions& baseline_functions();
#ifdef __x86_64__
const Functions& avx2_functions();
const Functions& avx512_functions();
#endif

}  // namespace tft::cpu

// What each level provides. compute.h is compiled once for each, with the instructions of that level.
#pragma once

#include <cstddef>

#include "plugins/parameters.h"

namespace tft::cpu {

/// The largest hidden size of the parts other than the recurrence; they take multiples of 16.
constexpr int kMaxHidden = 160;

/// The weights of an LSTM as [blocks, inputs, gates, width], the bias as [blocks, gates, width]: a block is a
/// vector of units, and the gates are i, f, g, o.
struct PackedLstm {
  const float *weight, *recurrence, *bias;
};

struct Functions {
  int width;  // floats in a vector
  std::size_t (*selection_floats)(const plugins::VariableSelectionParameters& p);
  void (*variable_selection)(const plugins::VariableSelectionParameters& p, int hidden_size, float* memory);
  void (*static_contexts)(const plugins::StaticContextsParameters& p, int hidden_size);
  std::size_t (*recurrence_floats)(const plugins::RecurrenceParameters& p);
  /// `packed` has the weights of each sequence.
  void (*recurrence)(const plugins::RecurrenceParameters& p, const PackedLstm* packed, float* memory);
  std::size_t (*decoder_floats)(const plugins::EnrichmentParameters& e, int hidden_size);
  void (*decoder)(const plugins::EnrichmentParameters& e, const plugins::AttentionParameters& a,
                  int hidden_size, float* memory);
};

const Functions& baseline_functions();
#ifdef __x86_64__
const Functions& avx2_functions();
const Functions& avx512_functions();
#endif

}  // namespace tft::cpu

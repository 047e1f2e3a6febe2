// Sizes that host and device must agree on: the layout of rows in shared memory, and each kernel's amount of
// it. In floats.
#pragma once

#include "parameters.h"

#ifdef __CUDACC__
#define TFT_HOST_DEVICE __host__ __device__
#else
#define TFT_HOST_DEVICE
#endif

namespace tft::plugins {

constexpr int kWarp = 32;
constexpr int kSquare = kWarp * kWarp;

/// The stride between columns of ROWS values; eight rows have a gap, to avoid bank conflicts.
template <int ROWS>
constexpr int kColumn = ROWS == 8 ? 12 : ROWS;

TFT_HOST_DEVICE constexpr int rounded_up(int floats) { return (floats + 3) / 4 * 4; }

constexpr int kPreprocessThreads = 288;

TFT_HOST_DEVICE constexpr int preprocess_floats(const PreprocessParameters& p) {
  return kPreprocessThreads / kWarp + p.past_steps;
}

// ---- variable selection

TFT_HOST_DEVICE constexpr int selection_scratch_columns(const VariableSelectionParameters& p) {
  return p.width > p.inner ? p.width : p.inner;
}

/// The weights of the weighing network.
TFT_HOST_DEVICE constexpr int weighing_floats(const VariableSelectionParameters& p) {
  return rounded_up((p.reals + p.tabulated) * (p.inner + p.variables)) +
         rounded_up(p.inner * 2 * p.variables) + kWarp * p.inner;
}

/// select_by_variable with this many warps.
template <int ROWS>
TFT_HOST_DEVICE constexpr int selection_block_floats(const VariableSelectionParameters& p, int warps) {
  return rounded_up((p.reals + p.tabulated) * kColumn<ROWS>) + rounded_up(p.reals * kColumn<ROWS>) +
         ROWS * kWarp + p.variables * ROWS * kWarp +
         rounded_up(warps * selection_scratch_columns(p) * kColumn<ROWS>) + weighing_floats(p);
}

/// The weights of select_by_row.
TFT_HOST_DEVICE constexpr int selection_weight_floats(const VariableSelectionParameters& p) {
  return weighing_floats(p) + rounded_up(p.reals * 2 * p.width) + p.reals * p.width * kWarp * 2 +
         p.reals * 5 * kWarp;
}

/// One warp of select_by_row.
template <int ROWS>
TFT_HOST_DEVICE constexpr int selection_warp_floats(const VariableSelectionParameters& p) {
  return (p.reals + p.tabulated + p.reals + p.variables + selection_scratch_columns(p)) * kColumn<ROWS>;
}

// ---- recurrence

constexpr int kChunk = 12;  // steps that the projecting warps compute ahead; a multiple of their number

template <int PROJECTORS>
constexpr int kRecurrenceFloats = (1 + PROJECTORS) * 2 * kWarp + 2 * kChunk * kWarp * 4;

constexpr int kRecurrencePairs = 16;  // steps times series that recur_any projects at once

/// recur_any with this many columns of U in registers, without those in shared memory.
TFT_HOST_DEVICE constexpr int recurrence_floats(const RecurrenceParameters& p, int kept, int series) {
  const int padded = p.hidden_size > kept ? p.hidden_size : kept;
  return series * (padded + 4 * p.hidden_size) + kRecurrencePairs * p.hidden_size;
}

// ---- decoder

TFT_HOST_DEVICE constexpr int enrichment_weight_floats(const EnrichmentParameters& p) {
  return 8 * kSquare + kWarp * p.head_size;
}

template <int ROWS>
constexpr int kEnrichmentWarpFloats = kWarp * kColumn<ROWS>;

constexpr int kQueries = 2;  // queries per warp at a time
constexpr int kAttentionWarpFloats = kWarp * kQueries;

TFT_HOST_DEVICE constexpr int attention_weight_floats(const AttentionParameters& p, int head_size) {
  return head_size * 2 * kWarp + 5 * kSquare + rounded_up(kWarp * p.quantiles);
}

TFT_HOST_DEVICE constexpr int attention_key_floats(const AttentionParameters& p, int head_size) {
  return (p.past_steps + p.future_steps) * (kWarp + head_size);
}

}  // namespace tft::plugins

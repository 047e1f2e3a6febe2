// The LSTM over one or two sequences in one launch, for hidden sizes of up to 128 that are multiples of 4,
// FP32. The formulas are those of recurrence.cuh, which is faster where the hidden size is 32.
//
// A block runs SERIES series, and a thread is one gate of one hidden unit: a row of W and of U, in ONNX's
// order i, o, f, c. It has the first KEPT values of its row of U in registers; shared memory has the next
// ones, and the rest is read from global memory at every step. W x + b is computed for a chunk of steps at a
// time, so that W is read once a chunk.
#pragma once

#include "device.h"
#include "parameters.h"
#include "recurrence.cuh"

namespace tft::plugins {

TFT_DEVICE float dot(const float4& a, const float4& b, float sum) {
  return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, fmaf(a.x, b.x, sum))));
}

/// 1 / (1 + exp(-x)), or tanh(x) = (1 - exp(-2 x)) / (1 + exp(-2 x)). The exponent is capped at 2^40, which
/// changes less than 1e-12: from 2^126 on the reciprocal may be flushed to 0.
TFT_DEVICE float gate_value(float x, bool is_tanh) {
  const float e = exp2_fast(min_nan((is_tanh ? -2.f : -1.f) * kLog2E * x, 40.f));
  return (is_tanh ? 1.f - e : 1.f) * reciprocal(1.f + e);
}

template <int KEPT, int SERIES>
TFT_DEVICE void recur_any(const RecurrenceParameters& p, float* memory) {
  constexpr int STEPS = kRecurrencePairs / SERIES;
  const int hidden = p.hidden_size, rows = 4 * hidden, padded = hidden > KEPT ? hidden : KEPT;
  const int thread = opaque(thread_index());
  const int row = thread < rows ? thread : rows - 1;  // the last threads of a warp may have no row
  const bool is_tanh = row >= 3 * hidden;
  const int first_series = block_index() * SERIES;
  float* const h = memory;                                    // [SERIES, padded]
  float* const gates = h + SERIES * padded;                   // [SERIES, rows]
  float* const inputs = gates + SERIES * rows;                // [STEPS, SERIES, hidden]
  float* const further = inputs + kRecurrencePairs * hidden;  // [shared columns / 4, rows, 4]

  // The thread's own cell, where there is one: a unit of one of the series.
  const int own = thread / hidden, unit = thread - own * hidden;
  const int own_series = first_series + own;
  const bool updates = thread < rows && own < SERIES && own_series < p.batch;
  float c = updates ? p.cell[own_series * hidden + unit] : 0.f;
  for (int i = thread; i < SERIES * padded; i += block_threads()) {
    const int series = first_series + i / padded, k = i % padded;
    h[i] = k < hidden && series < p.batch ? p.hidden[series * hidden + k] : 0.f;
  }

  int absent[SERIES], own_absent = 0, all_absent = p.sequences[0].steps;
  absent_steps(absent, p, first_series, thread % kWarp);
#pragma unroll
  for (int i = 0; i < SERIES; ++i) {
    if (i == own) own_absent = absent[i];
    if (absent[i] < all_absent) all_absent = absent[i];
  }
  if (updates)
    for (int step = 0; step < all_absent; ++step)
      p.sequences[0].y[(static_cast<long long>(step) * p.batch + own_series) * hidden + unit] = 0.f;

  for (int s = 0; s < 2; ++s) {
    const Sequence& q = p.sequences[s];
    if (q.steps == 0) continue;
    const float* const u = q.recurrence + static_cast<long long>(row) * hidden;
    const float* const w = q.weight + static_cast<long long>(row) * q.weight_stride;
    const bool aligned = q.weight_stride % 4 == 0;
    float kept[KEPT];
#pragma unroll
    for (int k = 0; k < KEPT; k += 4) {
      const float4 value = k < hidden ? four(u + k) : float4{0.f, 0.f, 0.f, 0.f};
      kept[k] = value.x, kept[k + 1] = value.y, kept[k + 2] = value.z, kept[k + 3] = value.w;
    }
    sync_block();  // the first sequence's last step has read the shared columns
    for (int k = 0; k < p.shared_columns; k += 4)
      if (thread < rows) *reinterpret_cast<float4*>(further + k * rows + 4 * thread) = four(u + KEPT + k);
    const float bias = q.bias[row] + q.bias[rows + row];

    for (int first = s == 0 ? all_absent : 0; first < q.steps; first += STEPS) {
      const int steps = q.steps - first < STEPS ? q.steps - first : STEPS;
      for (int i = thread; i < steps * SERIES * hidden; i += block_threads()) {
        const int pair = i / hidden, k = i - pair * hidden;
        const int series = first_series + pair % SERIES;
        const long long at = static_cast<long long>(first + pair / SERIES) * p.batch;
        inputs[i] = q.x[(at + (series < p.batch ? series : p.batch - 1)) * hidden + k];
      }
      sync_block();
      float ahead[kRecurrencePairs];
#pragma unroll
      for (int pair = 0; pair < kRecurrencePairs; ++pair) ahead[pair] = bias;
      for (int k = 0; k < hidden; k += 4) {
        const float4 weight = four(w + k, aligned);
#pragma unroll
        for (int pair = 0; pair < kRecurrencePairs; ++pair)
          ahead[pair] = dot(weight, four(inputs + pair * hidden + k), ahead[pair]);
      }
#pragma unroll 1
      for (int step = 0; step < steps; ++step) {
        float sums[SERIES], others[SERIES];
#pragma unroll
        for (int i = 0; i < SERIES; ++i) sums[i] = ahead[i], others[i] = 0.f;
        // The next step's values move to the front: an index that is not constant would cost memory.
#pragma unroll
        for (int pair = 0; pair + SERIES < kRecurrencePairs; ++pair) ahead[pair] = ahead[pair + SERIES];
#pragma unroll
        for (int k = 0; k < KEPT; k += 4)
#pragma unroll
          for (int i = 0; i < SERIES; ++i) {
            const float4 before = four(h + i * padded + k);
            sums[i] = fmaf(kept[k + 2], before.z, fmaf(kept[k], before.x, sums[i]));
            others[i] = fmaf(kept[k + 3], before.w, fmaf(kept[k + 1], before.y, others[i]));
          }
        for (int k = 0; k < p.shared_columns; k += 4) {
          const float4 value = four(further + k * rows + 4 * row);
#pragma unroll
          for (int i = 0; i < SERIES; ++i) {
            const float4 before = four(h + i * padded + KEPT + k);
            sums[i] = fmaf(value.z, before.z, fmaf(value.x, before.x, sums[i]));
            others[i] = fmaf(value.w, before.w, fmaf(value.y, before.y, others[i]));
          }
        }
        for (int k = KEPT + p.shared_columns; k < hidden; k += 4) {
          const float4 value = four(u + k);
#pragma unroll
          for (int i = 0; i < SERIES; ++i) sums[i] = dot(value, four(h + i * padded + k), sums[i]);
        }
        if (thread < rows)
#pragma unroll
          for (int i = 0; i < SERIES; ++i) gates[i * rows + row] = gate_value(sums[i] + others[i], is_tanh);
        sync_block();
        if (updates && s == 0 && first + step < own_absent) {
          q.y[(static_cast<long long>(first + step) * p.batch + own_series) * hidden + unit] = 0.f;
        } else if (updates) {
          const float* const gate = gates + own * rows + unit;
          c = fmaf(gate[2 * hidden], c, gate[0] * gate[3 * hidden]);
          const float value = gate[hidden] * gate_value(c, true);
          h[own * padded + unit] = value;
          q.y[(static_cast<long long>(first + step) * p.batch + own_series) * hidden + unit] = value;
        }
        sync_block();
      }
    }
  }
  if (updates) {
    const int at = own_series * hidden + unit;
    if (p.last_hidden != nullptr) p.last_hidden[at] = h[own * padded + unit];
    if (p.last_cell != nullptr) p.last_cell[at] = c;
  }
}

}  // namespace tft::plugins

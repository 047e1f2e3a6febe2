// Variable selection in one launch: the variables' networks, the network that weights them, and the weighted
// sum. H = 32: a lane is a hidden unit or, in the weighing network, a variable.
//
//   weights = softmax(LayerNorm(residual - GLU(ELU(x W + b + context C) M)))     [variables]
//   out     = sum over variables of weight * network(x)                          [H]
//
// A warp computes ROWS consecutive steps of one series at a time, so that each weight is read once for ROWS
// rows.
#pragma once

#include "device.h"
#include "parameters.h"

namespace tft::plugins {

/// The addresses of the weights, in shared memory or in device memory.
struct SelectionWeights {
  const float *inner, *gate, *context;
  const float *network_inner, *value, *network_gate;
  const float *residual, *norm_weight, *norm_bias;
};

TFT_DEVICE SelectionWeights weights_in_place(const VariableSelectionParameters& p) {
  return {p.inner_weight, p.gate.weight, p.context_weight, p.network_inner, p.value,
          p.network_gate, p.residual,    p.norm_weight,    p.norm_bias};
}

template <int ROWS>
TFT_DEVICE void read_column(const float* column, float (&rows)[ROWS]) {
  if constexpr (ROWS % 4 == 0) {
#pragma unroll
    for (int r = 0; r < ROWS; r += 4) {
      const float4 four = *reinterpret_cast<const float4*>(column + r);
      rows[r] = four.x, rows[r + 1] = four.y, rows[r + 2] = four.z, rows[r + 3] = four.w;
    }
  } else {
#pragma unroll
    for (int r = 0; r < ROWS; ++r) rows[r] = column[r];
  }
}

template <int ROWS>
TFT_DEVICE void write_column(float* column, const float (&rows)[ROWS]) {
  if constexpr (ROWS % 4 == 0) {
#pragma unroll
    for (int r = 0; r < ROWS; r += 4)
      *reinterpret_cast<float4*>(column + r) = float4{rows[r], rows[r + 1], rows[r + 2], rows[r + 3]};
  } else {
#pragma unroll
    for (int r = 0; r < ROWS; ++r) column[r] = rows[r];
  }
}

/// The rows of a warp: ROWS steps of one series from `first` on.
struct RowGroup {
  int series, first;
};

template <int ROWS>
TFT_DEVICE RowGroup row_group(int index, int batch) {
  return {index % batch, index / batch * ROWS};
}

/// Stores x of the group in shared memory as columns [variable][ROWS], and the inverse deviation of each real
/// variable's residual. Steps after the last one repeat it.
template <int ROWS>
TFT_DEVICE void load_x(const VariableSelectionParameters& p, RowGroup group, float* xs, float* inverses,
                       int lane) {
  const int given = p.reals + p.tabulated;
  for (int v = lane; v < given; v += kWarp) {
    float x[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      const int step = group.first + r < p.steps ? group.first + r : p.steps - 1;
      x[r] = p.x[(static_cast<long long>(step) * p.batch + group.series) * given + v];
    }
    write_column<ROWS>(xs + v * kColumn<ROWS>, x);
    if (v >= p.reals) continue;
    const float vertex = p.vertex[v], curvature = p.curvature[v], least = p.floor[v];
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      const float distance = x[r] - vertex;
      x[r] = root_reciprocal(fmaf(distance * distance, curvature, least));
    }
    write_column<ROWS>(inverses + v * kColumn<ROWS>, x);
  }
}

TFT_DEVICE int code_of(const VariableSelectionParameters& p, int table, int step, int series) {
  const int code = p.codes[table][(p.code_steps == 1 ? 0 : step) * p.batch + series];
  // Clamp to the table, whatever the input.
  return code < 0 ? 0 : code < p.code_counts[table] ? code : p.code_counts[table] - 1;
}

/// The weighing network: lane v gets the weights of variable v.
template <int ROWS>
TFT_DEVICE void selection_weights(const VariableSelectionParameters& p, const SelectionWeights& w,
                                  RowGroup group, const float* xs, float* scratch, int lane,
                                  float (&weights)[ROWS]) {
  const int total = p.inner + p.variables;
  const bool is_inner = lane < p.inner, is_variable = lane < p.variables;
  // Prefetched.
  const float value_bias = is_variable ? p.gate.bias[lane] : 0.f;
  const float gate_bias = is_variable ? p.gate.bias[p.variables + lane] : 0.f;
  const float norm_scale = is_variable ? p.gate.norm_weight[lane] : 0.f;
  const float norm_shift = is_variable ? p.gate.norm_bias[lane] : 0.f;
  const float residual_scale = is_variable && p.residual_weight != nullptr ? p.residual_weight[lane] : 0.f;
  const float residual_shift = is_variable && p.residual_weight != nullptr ? p.residual_bias[lane] : 0.f;
  const float mine = p.context != nullptr ? p.context[group.series * kWarp + lane] : 0.f;
  float hidden[ROWS], residual[ROWS];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    const int step = group.first + r < p.steps ? group.first + r : p.steps - 1;
    const float* const bias = p.inner_bias + (p.bias_steps == 1 ? 0 : step) * total;
    hidden[r] = is_inner ? bias[lane] : 0.f;
    residual[r] = is_variable ? bias[p.inner + lane] : 0.f;
    for (int table = 0; table < p.tables; ++table) {
      const float* const row =
          p.tables_values[table] + code_of(p, table, step, group.series) * (total + kWarp);
      if (is_inner) hidden[r] += row[lane];
      if (is_variable) residual[r] += row[p.inner + lane];
    }
  }
  if (p.context != nullptr) {
    float sum = 0.f;
#pragma unroll 8
    for (int k = 0; k < kWarp; ++k) {
      const float c = shuffle(mine, k);
      if (is_inner) sum = fmaf(c, w.context[k * p.inner + lane], sum);
    }
#pragma unroll
    for (int r = 0; r < ROWS; ++r) hidden[r] += sum;
  }
  const int given = p.reals + p.tabulated;
#pragma unroll 4
  for (int v = 0; v < given; ++v) {
    float x[ROWS];
    read_column<ROWS>(xs + v * kColumn<ROWS>, x);
    const float to_inner = is_inner ? w.inner[v * total + lane] : 0.f;
    const float to_residual = is_variable ? w.inner[v * total + p.inner + lane] : 0.f;
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      hidden[r] = fmaf(x[r], to_inner, hidden[r]);
      residual[r] = fmaf(x[r], to_residual, residual[r]);
    }
  }
  const float inverse = 1.f / static_cast<float>(p.variables);
  if (p.residual_weight != nullptr) {
    layer_norm<ROWS>(residual, lane, is_variable, inverse, p.epsilon);
#pragma unroll
    for (int r = 0; r < ROWS; ++r) residual[r] = fmaf(residual[r], residual_scale, residual_shift);
  }
#pragma unroll
  for (int r = 0; r < ROWS; ++r) hidden[r] = elu(hidden[r]);
  sync_warp();
  if (is_inner) write_column<ROWS>(scratch + lane * kColumn<ROWS>, hidden);
  sync_warp();
  float value[ROWS], gate[ROWS];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    value[r] = value_bias;
    gate[r] = gate_bias;
  }
#pragma unroll 4
  for (int i = 0; i < p.inner; ++i) {
    float h[ROWS];
    read_column<ROWS>(scratch + i * kColumn<ROWS>, h);
    const float to_value = is_variable ? w.gate[i * 2 * p.variables + lane] : 0.f;
    const float to_gate = is_variable ? w.gate[i * 2 * p.variables + p.variables + lane] : 0.f;
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      value[r] = fmaf(h[r], to_value, value[r]);
      gate[r] = fmaf(h[r], to_gate, gate[r]);
    }
  }
#pragma unroll
  for (int r = 0; r < ROWS; ++r) weights[r] = fmaf(-value[r], sigmoid(gate[r]), residual[r]);
  layer_norm<ROWS>(weights, lane, is_variable, inverse, p.epsilon);
  float most[ROWS];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    weights[r] = is_variable ? fmaf(weights[r], norm_scale, norm_shift) : -3e38f;
    most[r] = weights[r];
  }
  warp_reduce<Maximum>(most, lane);
  float sums[ROWS];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    weights[r] = is_variable ? exp2_fast((weights[r] - most[r]) * kLog2E) : 0.f;
    sums[r] = weights[r];
  }
  warp_reduce<Sum>(sums, lane);
#pragma unroll
  for (int r = 0; r < ROWS; ++r) weights[r] *= reciprocal(sums[r]);
}

/// One real variable's network, with its LayerNorm: lane u gets hidden unit u.
template <int ROWS, bool SHARED>
TFT_DEVICE void variable_network(const VariableSelectionParameters& p, const SelectionWeights& w,
                                 int variable, const float* xs, const float* inverses, float* scratch,
                                 int lane, float (&out)[ROWS]) {
  // Prefetch the first weights from device memory.
  constexpr int AHEAD = SHARED ? 1 : 12;
  const int first_row = variable * p.width;
  float ahead[AHEAD][2];
  if (!SHARED) {
#pragma unroll
    for (int k = 0; k < AHEAD; ++k) {
      const int row = first_row + (k < p.width ? k : 0);
      ahead[k][0] = w.value[row * kWarp + lane], ahead[k][1] = w.network_gate[row * kWarp + lane];
    }
  }
  {
    float x[ROWS];
    read_column<ROWS>(xs + variable * kColumn<ROWS>, x);
    sync_warp();
    for (int k = lane; k < p.width; k += kWarp) {
      const float slope = w.network_inner[variable * 2 * p.width + k];
      const float offset = w.network_inner[(variable * 2 + 1) * p.width + k];
      float h[ROWS];
#pragma unroll
      for (int r = 0; r < ROWS; ++r) h[r] = elu(fmaf(x[r], slope, offset));
      write_column<ROWS>(scratch + k * kColumn<ROWS>, h);
    }
  }
  sync_warp();
  float value[ROWS], gate[ROWS];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) value[r] = gate[r] = 0.f;
  const auto add = [&](int k, float to_value, float to_gate) {
    float h[ROWS];
    read_column<ROWS>(scratch + k * kColumn<ROWS>, h);
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      value[r] = fmaf(h[r], to_value, value[r]);
      gate[r] = fmaf(h[r], to_gate, gate[r]);
    }
  };
  int begin = 0;
  if (!SHARED) {
#pragma unroll
    for (int k = 0; k < AHEAD; ++k)
      if (k < p.width) add(k, ahead[k][0], ahead[k][1]);
    begin = AHEAD;
  }
#pragma unroll 4
  for (int k = begin; k < p.width; ++k) {
    add(k, w.value[(first_row + k) * kWarp + lane], w.network_gate[(first_row + k) * kWarp + lane]);
  }
  const float* const residual = w.residual + variable * 3 * kWarp;
  const float slope = residual[lane], offset = residual[kWarp + lane], constant = residual[2 * kWarp + lane];
  float x[ROWS], inverse[ROWS];
  read_column<ROWS>(xs + variable * kColumn<ROWS>, x);
  read_column<ROWS>(inverses + variable * kColumn<ROWS>, inverse);
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    const float skip = fmaf(inverse[r], fmaf(x[r], slope, offset), constant);
    out[r] = fmaf(-value[r], sigmoid(gate[r]), skip);
  }
  layer_norm<ROWS>(out, lane, true, 1.f / kWarp, p.epsilon);
  const float scale = w.norm_weight[variable * kWarp + lane], shift = w.norm_bias[variable * kWarp + lane];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) out[r] = fmaf(out[r], scale, shift);
}

/// Unit `lane` of a looked-up variable: tabulated, fixed or a category. Their numbers follow those of the
/// reals.
TFT_DEVICE float looked_up(const VariableSelectionParameters& p, int variable, int step, int series,
                           const float* xs, int column, int row, int lane) {
  int i = variable - p.reals;
  if (i < p.tabulated) {
    int entry = 0;
    for (int before = 0; before < i; ++before) entry += static_cast<int>(p.largest[before]) + 1;
    // Clamp to the table, whatever the input; NaN becomes 0.
    entry += static_cast<int>(fminf(fmaxf(xs[variable * column + row], 0.f), p.largest[i]));
    return p.table[entry * kWarp + lane];
  }
  i -= p.tabulated;
  if (i < p.fixed) return p.fixed_values[i][step * kWarp + lane];
  i -= p.fixed;
  const int skipped = p.inner + p.variables;
  return p.tables_values[i][code_of(p, i, step, series) * (skipped + kWarp) + skipped + lane];
}

/// Copies the weights of the weighing network into shared memory.
TFT_DEVICE void keep_weighing(const VariableSelectionParameters& p, SelectionWeights& w, float*& next) {
  w.inner = keep(next, w.inner, (p.reals + p.tabulated) * (p.inner + p.variables));
  w.gate = keep(next, w.gate, p.inner * 2 * p.variables);
  if (p.context != nullptr) w.context = keep(next, w.context, kWarp * p.inner);
}

/// For few series. A block computes a group of ROWS rows: one warp the weights, one the looked-up variables,
/// the others the real variables.
template <int ROWS>
TFT_DEVICE void select_by_variable(const VariableSelectionParameters& p, float* memory) {
  const int lane = thread_index() % kWarp, warp = thread_index() / kWarp, warps = block_threads() / kWarp;
  const int given = p.reals + p.tabulated;
  float* const xs = memory;                                              // [given][ROWS]
  float* const inverses = xs + rounded_up(given * kColumn<ROWS>);        // [reals][ROWS]
  float* const shares = inverses + rounded_up(p.reals * kColumn<ROWS>);  // [ROWS][32]
  float* const outputs = shares + ROWS * kWarp;                          // [variables][ROWS][32]
  float* next = outputs + p.variables * ROWS * kWarp;
  float* const scratch = next + warp * selection_scratch_columns(p) * kColumn<ROWS>;
  next += rounded_up(warps * selection_scratch_columns(p) * kColumn<ROWS>);
  const RowGroup group = row_group<ROWS>(block_index(), p.batch);
  SelectionWeights w = weights_in_place(p);
  keep_weighing(p, w, next);
  if (warp == 0) load_x<ROWS>(p, group, xs, inverses, lane);
  wait_for_copies();
  sync_block();
  if (warp == 0) {
    float weights[ROWS];
    selection_weights<ROWS>(p, w, group, xs, scratch, lane, weights);
#pragma unroll
    for (int r = 0; r < ROWS; ++r) shares[r * kWarp + lane] = weights[r];
  } else if (warp == 1) {
#pragma unroll 4
    for (int i = 0; i < (p.variables - p.reals) * ROWS; ++i) {
      const int v = p.reals + i / ROWS, r = i % ROWS;
      const int step = group.first + r < p.steps ? group.first + r : p.steps - 1;
      outputs[(v * ROWS + r) * kWarp + lane] =
          looked_up(p, v, step, group.series, xs, kColumn<ROWS>, r, lane);
    }
  } else {
    for (int v = warp - 2; v < p.reals; v += warps - 2) {
      float out[ROWS];
      variable_network<ROWS, false>(p, w, v, xs, inverses, scratch, lane, out);
#pragma unroll
      for (int r = 0; r < ROWS; ++r) outputs[(v * ROWS + r) * kWarp + lane] = out[r];
    }
  }
  sync_block();
  for (int r = warp; r < ROWS; r += warps) {
    const int step = group.first + r;
    if (step >= p.steps) continue;
    float sum = 0.f;
    for (int v = 0; v < p.variables; ++v)
      sum = fmaf(shares[r * kWarp + v], outputs[(v * ROWS + r) * kWarp + lane], sum);
    p.out[(static_cast<long long>(step) * p.batch + group.series) * kWarp + lane] = sum;
  }
}

/// For many series. A warp computes all variables of a group of ROWS rows, with the weights in shared memory;
/// the blocks are persistent.
template <int ROWS>
TFT_DEVICE void select_by_row(const VariableSelectionParameters& p, float* memory) {
  const int lane = thread_index() % kWarp, warp = thread_index() / kWarp, warps = block_threads() / kWarp;
  const int given = p.reals + p.tabulated;
  SelectionWeights w = weights_in_place(p);
  float* next = memory;
  keep_weighing(p, w, next);
  w.network_inner = keep(next, w.network_inner, p.reals * 2 * p.width);
  w.value = keep(next, w.value, p.reals * p.width * kWarp);
  w.network_gate = keep(next, w.network_gate, p.reals * p.width * kWarp);
  w.residual = keep(next, w.residual, p.reals * 3 * kWarp);
  w.norm_weight = keep(next, w.norm_weight, p.reals * kWarp);
  w.norm_bias = keep(next, w.norm_bias, p.reals * kWarp);
  float* const xs = next + warp * selection_warp_floats<ROWS>(p);
  float* const inverses = xs + given * kColumn<ROWS>;
  float* const shares = inverses + p.reals * kColumn<ROWS>;
  float* const scratch = shares + p.variables * kColumn<ROWS>;
  wait_for_copies();
  sync_block();

  const int groups = p.batch * ((p.steps + ROWS - 1) / ROWS);
  // Distribute over the blocks first: if there are fewer groups than warps, every multiprocessor still gets
  // some.
  for (int index = warp * grid_blocks() + block_index(); index < groups; index += grid_blocks() * warps) {
    const RowGroup group = row_group<ROWS>(index, p.batch);
    sync_warp();
    load_x<ROWS>(p, group, xs, inverses, lane);
    sync_warp();
    float sums[ROWS];
    {
      float weights[ROWS];
      selection_weights<ROWS>(p, w, group, xs, scratch, lane, weights);
      if (lane < p.variables) write_column<ROWS>(shares + lane * kColumn<ROWS>, weights);
    }
    sync_warp();
#pragma unroll
    for (int r = 0; r < ROWS; ++r) sums[r] = 0.f;
#pragma unroll 1
    for (int v = 0; v < p.reals; ++v) {
      float out[ROWS], share[ROWS];
      variable_network<ROWS, true>(p, w, v, xs, inverses, scratch, lane, out);
      read_column<ROWS>(shares + v * kColumn<ROWS>, share);
#pragma unroll
      for (int r = 0; r < ROWS; ++r) sums[r] = fmaf(share[r], out[r], sums[r]);
    }
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      const int step = group.first + r;
      if (step >= p.steps) break;
      for (int v = p.reals; v < p.variables; ++v)
        sums[r] = fmaf(shares[v * kColumn<ROWS> + r],
                       looked_up(p, v, step, group.series, xs, kColumn<ROWS>, r, lane), sums[r]);
      p.out[(static_cast<long long>(step) * p.batch + group.series) * kWarp + lane] = sums[r];
    }
  }
}

}  // namespace tft::plugins

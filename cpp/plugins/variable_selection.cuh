// Variable selection in one launch: every variable's network, the network that weighs them, and the weighted sum.
// H = 32: a lane is a hidden unit; in the weighing network it is a variable.
//
//   weights = softmax(LayerNorm(residual - GLU(ELU(x W + b + context C) M)))     [variables]
//   out     = sum over variables of weight * network(x)                          [H]
//
// A warp takes ROWS consecutive steps of one series at a time, so that a weight that is read serves ROWS rows.
#pragma once

#include "device.h"
#include "parameters.h"

namespace tft::plugins {

/// Where the weights are read from. In shared memory value and gate lie side by side.
struct SelectionWeights {
  const float *inner, *gate, *context;  // as in the parameters
  const float* network_inner;
  const float *value, *network_gate;    // read if `pairs` is null
  const float* pairs;                   // [reals, width, H, 2]
  const float *residual, *norm_weight, *norm_bias;

  template <bool SHARED>
  TFT_DEVICE void value_and_gate(int row, int lane, float& v, float& g) const {
    if (SHARED) {
      const float2 both = *reinterpret_cast<const float2*>(pairs + (row * kWarp + lane) * 2);
      v = both.x, g = both.y;
    } else {
      v = value[row * kWarp + lane], g = network_gate[row * kWarp + lane];
    }
  }
};

TFT_DEVICE SelectionWeights weights_in_place(const VariableSelectionParameters& p) {
  return {p.inner_weight, p.gate.weight, p.context_weight, p.network_inner, p.value,
          p.network_gate, nullptr,       p.residual,       p.norm_weight,   p.norm_bias};
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

/// The rows that a warp works on: ROWS steps of one series from `first` on.
struct RowGroup {
  int series, first;
};

template <int ROWS>
TFT_DEVICE RowGroup row_group(int index, int batch) {
  return {index % batch, index / batch * ROWS};
}

/// Puts x of the group into shared memory as columns [variable][ROWS]. Steps behind the last one repeat it.
template <int ROWS>
TFT_DEVICE void load_x(const VariableSelectionParameters& p, RowGroup group, float* xs, int lane) {
  const int given = p.reals + p.tabulated;
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    const int step = group.first + r < p.steps ? group.first + r : p.steps - 1;
    const float* const row = p.x + (static_cast<long long>(step) * p.batch + group.series) * given;
    for (int v = lane; v < given; v += kWarp) xs[v * kColumn<ROWS> + r] = row[v];
  }
}

TFT_DEVICE int code_of(const VariableSelectionParameters& p, int table, int step, int series) {
  const int code = p.codes[table][(p.code_steps == 1 ? 0 : step) * p.batch + series];
  // Never outside of the table, whatever came in.
  return code < 0 ? 0 : code < p.code_counts[table] ? code : p.code_counts[table] - 1;
}

/// The weighing network: lane v gets the weights of variable v.
template <int ROWS>
TFT_DEVICE void selection_weights(const VariableSelectionParameters& p, const SelectionWeights& w, RowGroup group,
                                  const float* xs, float* scratch, int lane, float (&weights)[ROWS]) {
  const int total = p.inner + p.variables;
  const bool is_inner = lane < p.inner, is_variable = lane < p.variables;
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
    const float mine = p.context[group.series * kWarp + lane];
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
#pragma unroll 2
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
    const float scale = is_variable ? p.residual_weight[lane] : 0.f;
    const float shift = is_variable ? p.residual_bias[lane] : 0.f;
#pragma unroll
    for (int r = 0; r < ROWS; ++r) residual[r] = fmaf(residual[r], scale, shift);
  }
#pragma unroll
  for (int r = 0; r < ROWS; ++r) hidden[r] = elu(hidden[r]);
  sync_warp();
  if (is_inner) write_column<ROWS>(scratch + lane * kColumn<ROWS>, hidden);
  sync_warp();
  float value[ROWS], gate[ROWS];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    value[r] = is_variable ? p.gate.bias[lane] : 0.f;
    gate[r] = is_variable ? p.gate.bias[p.variables + lane] : 0.f;
  }
#pragma unroll 2
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
  const float scale = is_variable ? p.gate.norm_weight[lane] : 0.f;
  const float shift = is_variable ? p.gate.norm_bias[lane] : 0.f;
  float most[ROWS];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    weights[r] = is_variable ? fmaf(weights[r], scale, shift) : -3e38f;
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
TFT_DEVICE void variable_network(const VariableSelectionParameters& p, const SelectionWeights& w, int variable,
                                 const float* xs, float* scratch, int lane, float (&out)[ROWS]) {
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
  sync_warp();
  float value[ROWS], gate[ROWS];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) value[r] = gate[r] = 0.f;
#pragma unroll 4
  for (int k = 0; k < p.width; ++k) {
    float h[ROWS];
    read_column<ROWS>(scratch + k * kColumn<ROWS>, h);
    float to_value, to_gate;
    w.value_and_gate<SHARED>(variable * p.width + k, lane, to_value, to_gate);
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      value[r] = fmaf(h[r], to_value, value[r]);
      gate[r] = fmaf(h[r], to_gate, gate[r]);
    }
  }
  const float vertex = p.vertex[variable], curvature = p.curvature[variable], least = p.floor[variable];
  const float* const residual = w.residual + variable * 3 * kWarp;
  const float slope = residual[lane], offset = residual[kWarp + lane], constant = residual[2 * kWarp + lane];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    const float distance = x[r] - vertex;
    const float inverse = root_reciprocal(fmaf(distance * distance, curvature, least));
    const float skip = fmaf(x[r] * inverse, slope, fmaf(inverse, offset, constant));
    out[r] = fmaf(-value[r], sigmoid(gate[r]), skip);
  }
  layer_norm<ROWS>(out, lane, true, 1.f / kWarp, p.epsilon);
  const float scale = w.norm_weight[variable * kWarp + lane], shift = w.norm_bias[variable * kWarp + lane];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) out[r] = fmaf(out[r], scale, shift);
}

/// Adds the variables that are looked up: tabulated ones, fixed ones, categories. `weight_of(v)` gives the weight
/// of variable v for the row.
template <class WeightOf>
TFT_DEVICE float looked_up(const VariableSelectionParameters& p, int step, int series, const float* xs, int column,
                           int row, int lane, WeightOf weight_of) {
  float sum = 0.f;
  int first_row = 0, variable = p.reals;
  for (int i = 0; i < p.tabulated; ++i, ++variable) {
    const float largest = p.largest[i];
    const float limited = fminf(fmaxf(xs[variable * column + row], 0.f), largest);
    const int entry = first_row + static_cast<int>(limited);
    sum = fmaf(weight_of(variable), p.table[entry * kWarp + lane], sum);
    first_row += static_cast<int>(largest) + 1;
  }
  for (int i = 0; i < p.fixed; ++i, ++variable)
    sum = fmaf(weight_of(variable), p.fixed_values[i][step * kWarp + lane], sum);
  const int skipped = p.inner + p.variables;
  for (int i = 0; i < p.tables; ++i, ++variable) {
    const float* const row_of_code = p.tables_values[i] + code_of(p, i, step, series) * (skipped + kWarp) + skipped;
    sum = fmaf(weight_of(variable), row_of_code[lane], sum);
  }
  return sum;
}

/// A block for each group of ROWS rows; a warp for each real variable (or several), and one for the weights.
/// Little work a warp: for few series.
template <int ROWS>
TFT_DEVICE void select_by_variable(const VariableSelectionParameters& p, float* memory) {
  const int lane = thread_index() % kWarp, warp = thread_index() / kWarp, warps = block_threads() / kWarp;
  const int given = p.reals + p.tabulated;
  float* const xs = memory;                                      // [given][ROWS]
  float* const shares = xs + rounded_up(given * kColumn<ROWS>);  // [ROWS][32]
  float* const outputs = shares + ROWS * kWarp;            // [reals][ROWS][32]
  float* const scratch =
      outputs + p.reals * ROWS * kWarp + warp * selection_scratch_columns(p) * kColumn<ROWS>;
  const RowGroup group = row_group<ROWS>(block_index(), p.batch);
  const SelectionWeights w = weights_in_place(p);
  if (warp == 0) load_x<ROWS>(p, group, xs, lane);
  sync_block();
  if (warp == 0) {
    float weights[ROWS];
    selection_weights<ROWS>(p, w, group, xs, scratch, lane, weights);
#pragma unroll
    for (int r = 0; r < ROWS; ++r) shares[r * kWarp + lane] = weights[r];
  } else {
    for (int v = warp - 1; v < p.reals; v += warps - 1) {
      float out[ROWS];
      variable_network<ROWS, false>(p, w, v, xs, scratch, lane, out);
#pragma unroll
      for (int r = 0; r < ROWS; ++r) outputs[(v * ROWS + r) * kWarp + lane] = out[r];
    }
  }
  sync_block();
  for (int r = warp; r < ROWS; r += warps) {
    const int step = group.first + r;
    if (step >= p.steps) continue;
    const float* const row_shares = shares + r * kWarp;
    float sum = looked_up(p, step, group.series, xs, kColumn<ROWS>, r, lane,
                          [&](int v) { return row_shares[v]; });
    for (int v = 0; v < p.reals; ++v) sum = fmaf(row_shares[v], outputs[(v * ROWS + r) * kWarp + lane], sum);
    p.out[(static_cast<long long>(step) * p.batch + group.series) * kWarp + lane] = sum;
  }
}

/// A warp for each group of ROWS rows, through all variables; the weights are in shared memory, and blocks stay.
template <int ROWS>
TFT_DEVICE void select_by_row(const VariableSelectionParameters& p, float* memory) {
  const int lane = thread_index() % kWarp, warp = thread_index() / kWarp, warps = block_threads() / kWarp;
  const int given = p.reals + p.tabulated, total = p.inner + p.variables;
  SelectionWeights w = weights_in_place(p);
  float* next = memory;
  const auto copy = [&](const float* from, int count) {
    float* const to = next;
    for (int i = thread_index(); i < count; i += block_threads()) to[i] = from[i];
    next += count;
    return static_cast<const float*>(to);
  };
  w.inner = copy(w.inner, given * total);
  w.gate = copy(w.gate, p.inner * 2 * p.variables);
  if (p.context != nullptr) w.context = copy(w.context, kWarp * p.inner);
  else next += kWarp * p.inner;
  w.network_inner = copy(w.network_inner, p.reals * 2 * p.width);
  next = memory + rounded_up(static_cast<int>(next - memory));
  float* const pairs = next;
  for (int i = thread_index(); i < p.reals * p.width * kWarp; i += block_threads())
    pairs[2 * i] = p.value[i], pairs[2 * i + 1] = p.network_gate[i];
  w.pairs = pairs;
  next += p.reals * p.width * kWarp * 2;
  w.residual = copy(w.residual, p.reals * 3 * kWarp);
  w.norm_weight = copy(w.norm_weight, p.reals * kWarp);
  w.norm_bias = copy(w.norm_bias, p.reals * kWarp);
  float* const xs = next + warp * selection_warp_floats<ROWS>(p);
  float* const scratch = xs + given * kColumn<ROWS>;
  sync_block();

  const int groups = p.batch * ((p.steps + ROWS - 1) / ROWS);
  for (int index = block_index() * warps + warp; index < groups; index += grid_blocks() * warps) {
    const RowGroup group = row_group<ROWS>(index, p.batch);
    sync_warp();
    load_x<ROWS>(p, group, xs, lane);
    sync_warp();
    float weights[ROWS], sums[ROWS];
    selection_weights<ROWS>(p, w, group, xs, scratch, lane, weights);
#pragma unroll
    for (int r = 0; r < ROWS; ++r) sums[r] = 0.f;
#pragma unroll 1
    for (int v = 0; v < p.reals; ++v) {
      float out[ROWS];
      variable_network<ROWS, true>(p, w, v, xs, scratch, lane, out);
#pragma unroll
      for (int r = 0; r < ROWS; ++r) sums[r] = fmaf(shuffle(weights[r], v), out[r], sums[r]);
    }
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      const int step = group.first + r;
      const int read = step < p.steps ? step : p.steps - 1;
      const float mine = weights[r];
      sums[r] += looked_up(p, read, group.series, xs, kColumn<ROWS>, r, lane,
                           [&](int v) { return shuffle(mine, v); });
      if (step < p.steps) p.out[(static_cast<long long>(step) * p.batch + group.series) * kWarp + lane] = sums[r];
    }
  }
}

}  // namespace tft::plugins

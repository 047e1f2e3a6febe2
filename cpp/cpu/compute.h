// The kernels, for the vectors of vector.h. Only the file of a level includes this one, after it has defined
// TFT_LEVEL_FUNCTIONS, the name of what it provides.
//
// A tile is a matrix [units][kWidth]: its columns are rows of the batch, such as steps of a series, so that
// sums over units need no shuffles. Between operators, rows are [steps, batch, units], as on a GPU. The
// formulas are in the files of cpp/plugins for GPUs.
#pragma once

#include "cpu/functions.h"
#include "cpu/vector.h"

namespace tft::cpu {
namespace {

using plugins::AttentionParameters;
using plugins::EnrichmentParameters;
using plugins::GatedSum;
using plugins::RecurrenceParameters;
using plugins::StaticContextsParameters;
using plugins::VariableSelectionParameters;

/// What has many callers would make the program a good deal larger inline, and no faster.
#define TFT_SHARED __attribute__((noinline))

/// A tile of the largest hidden size.
constexpr int kTile = kMaxHidden * kWidth;
/// The most outputs of the weighing network's first map, and the most variables.
constexpr int kVariables = 32;

// ---- Tiles

/// sums[i] += sum over k of in[k] * weight[k * stride + i].
template <int N>
TFT_INLINE void multiply(Vec (&sums)[N], const float* in, int inputs, const float* weight, int stride) {
  for (int k = 0; k < inputs; ++k) {
    const Vec x = load(in + k * kWidth);
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) sums[i] += x * weight[k * stride + i];
  }
}

template <int N>
TFT_INLINE void map_units(const float* in, int inputs, const float* weight, int stride, const float* bias,
                          float* out, int out_stride) {
  Vec sums[N];
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) sums[i] = splat(bias[i]);
  multiply(sums, in, inputs, weight, stride);
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) store(out + i * out_stride, sums[i]);
}

/// out = in · weight [inputs, outputs] + bias. Unit u of the result is at out + u * out_stride.
TFT_SHARED void map(const float* in, int inputs, const float* weight, int outputs, const float* bias,
                    float* out, int out_stride = kWidth) {
  int u = 0;
  for (; outputs - u >= kSums; u += kSums)
    map_units<kSums>(in, inputs, weight + u, outputs, bias + u, out + u * out_stride, out_stride);
  for (; outputs - u >= 4; u += 4)
    map_units<4>(in, inputs, weight + u, outputs, bias + u, out + u * out_stride, out_stride);
  for (; u < outputs; ++u)
    map_units<1>(in, inputs, weight + u, outputs, bias + u, out + u * out_stride, out_stride);
}

/// Two maps of the same inputs to the same units: a gated linear unit's values and gates.
struct Gates {
  const float *value, *gate;
  int stride;
  const float *value_bias, *gate_bias;  // null for none
};

template <int N>
TFT_INLINE void gate_units(const float* in, int inputs, const Gates& w, int first, float sign,
                           const float* skip, float* out) {
  Vec values[N], gates[N];
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) {
    values[i] = w.value_bias != nullptr ? splat(w.value_bias[first + i]) : Vec{};
    gates[i] = w.gate_bias != nullptr ? splat(w.gate_bias[first + i]) : Vec{};
  }
  const float *value = w.value + first, *gate = w.gate + first;
  for (int k = 0; k < inputs; ++k) {
    const Vec x = load(in + k * kWidth);
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) values[i] += x * value[k * w.stride + i];
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) gates[i] += x * gate[k * w.stride + i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i)
    store(out + (first + i) * kWidth,
          load(skip + (first + i) * kWidth) + sign * values[i] * sigmoid(gates[i]));
}

/// out = skip + sign * value * sigmoid(gate); `out` may be `skip`.
TFT_SHARED void gate(const float* in, int inputs, const Gates& w, int outputs, float sign, const float* skip,
                     float* out) {
  int u = 0;
  for (; outputs - u >= kSums / 2; u += kSums / 2) gate_units<kSums / 2>(in, inputs, w, u, sign, skip, out);
  for (; outputs - u >= 2; u += 2) gate_units<2>(in, inputs, w, u, sign, skip, out);
  for (; u < outputs; ++u) gate_units<1>(in, inputs, w, u, sign, skip, out);
}

struct Moments {
  Vec mean, inverse;  // of the deviation
};

TFT_INLINE Moments moments(const float* tile, int units, float epsilon) {
  // Four sums at once hide an addition's latency.
  constexpr int kFour = 4 * kWidth;
  const float* const end = tile + units * kWidth;
  const float* at = tile;
  Vec sums[4] = {};
  for (; end - at >= kFour; at += kFour)
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) sums[i] += load(at + i * kWidth);
  for (; at < end; at += kWidth) sums[0] += load(at);
  const float share = 1.f / static_cast<float>(units);
  const Vec mean = ((sums[0] + sums[1]) + (sums[2] + sums[3])) * share;
  Vec squares[4] = {};
  for (at = tile; end - at >= kFour; at += kFour)
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const Vec difference = load(at + i * kWidth) - mean;
      squares[i] += difference * difference;
    }
  for (; at < end; at += kWidth) squares[0] += (load(at) - mean) * (load(at) - mean);
  const Vec variance = ((squares[0] + squares[1]) + (squares[2] + squares[3])) * share;
  return {mean, 1.f / square_root(variance + epsilon)};
}

/// LayerNorm over a tile's units, in place.
TFT_SHARED void layer_norm(float* tile, int units, const float* weight, const float* bias, float epsilon) {
  const Moments m = moments(tile, units, epsilon);
  for (int u = 0; u < units; ++u) {
    float* const at = tile + u * kWidth;
    store(at, (load(at) - m.mean) * m.inverse * weight[u] + bias[u]);
  }
}

/// LayerNorm(skip - value * sigmoid(gate)).
void gated_sum(const GatedSum& sum, const float* in, int inputs, int outputs, float epsilon,
               const float* skip, float* out) {
  gate(in, inputs, {sum.weight, sum.weight + outputs, 2 * outputs, sum.bias, sum.bias + outputs}, outputs,
       -1.f, skip, out);
  layer_norm(out, outputs, sum.norm_weight, sum.norm_bias, epsilon);
}

TFT_SHARED void elu_all(float* tile, int units) {
  for (int u = 0; u < units; ++u) store(tile + u * kWidth, elu(load(tile + u * kWidth)));
}

/// Reads kWidth rows of `units` floats into a tile; row r is at `row(r)`. `units` is a multiple of kWidth.
template <class Row>
TFT_INLINE void read_rows(const Row& row, int units, float* tile) {
  const float* rows[kWidth];
  for (int r = 0; r < kWidth; ++r) rows[r] = row(r);
  for (int u = 0; u < units; u += kWidth) {
    Vec square[kWidth];
#pragma GCC unroll 16
    for (int r = 0; r < kWidth; ++r) square[r] = load(rows[r] + u);
    transpose(square);
#pragma GCC unroll 16
    for (int r = 0; r < kWidth; ++r) store(tile + (u + r) * kWidth, square[r]);
  }
}

/// The rows of a tile, one after another in `rows` [kWidth][units].
TFT_SHARED void write_rows(const float* tile, int units, float* rows) {
  for (int u = 0; u < units; u += kWidth) {
    Vec square[kWidth];
#pragma GCC unroll 16
    for (int r = 0; r < kWidth; ++r) square[r] = load(tile + (u + r) * kWidth);
    transpose(square);
#pragma GCC unroll 16
    for (int r = 0; r < kWidth; ++r) store(rows + r * units + u, square[r]);
  }
}

/// out[i] += factor * row[i] for the units of one row.
TFT_INLINE void add_row(float* out, float factor, const float* row, int units) {
  for (int u = 0; u < units; u += kWidth) store(out + u, load(out + u) + factor * load(row + u));
}

/// How many of the first `steps` steps a series does not have: see RecurrenceParameters.
int absent_steps(const float* valid, int steps, int batch, int series) {
  int absent = 0;
  if (valid != nullptr)
    for (; absent < steps && valid[static_cast<long long>(absent) * batch + series] < 0.5f;) ++absent;
  return absent;
}

TFT_INLINE int within(int value, int count) { return value < 0 ? 0 : value < count ? value : count - 1; }

// ---- Variable selection

/// Scratch of a tile and what the context adds to the weighing network, for each series.
std::size_t selection_floats(const VariableSelectionParameters& p) {
  const int widest = p.width > 2 * kVariables ? p.width : 2 * kVariables;
  return static_cast<std::size_t>(widest) * kWidth + static_cast<std::size_t>(p.batch) * kVariables;
}

struct SelectionTile {
  float x[kVariables * kWidth];       // [given]
  float shares[kVariables * kWidth];  // [variables]
  float sums[kTile], output[kTile];   // [hidden]
  float rows[kTile];                  // [kWidth][hidden]
  int step[kWidth], series[kWidth], code[plugins::kMaxTables][kWidth];
};

TFT_INLINE int bag_row(const VariableSelectionParameters& p, const SelectionTile& t, int r) {
  return (p.bag_steps == 1 ? 0 : t.step[r]) * p.batch + t.series[r];
}

/// The softmax over the variables, in t.shares.
void weigh(const VariableSelectionParameters& p, int hidden_size, const float* context, SelectionTile& t,
           float* sums) {
  const int total = p.inner + p.variables, given = p.reals + p.tabulated;
  for (int r = 0; r < kWidth; ++r) {
    const float* const bias = p.inner_bias + (p.bias_steps == 1 ? 0 : t.step[r]) * total;
    const float* const of_context = context + t.series[r] * kVariables;
    for (int u = 0; u < total; ++u) sums[u * kWidth + r] = bias[u];
    if (p.context != nullptr)
      for (int u = 0; u < p.inner; ++u) sums[u * kWidth + r] += of_context[u];
    for (int table = 0; table < p.tables; ++table) {
      const float* const row = p.tables_values[table] + t.code[table][r] * (total + hidden_size);
      for (int u = 0; u < total; ++u) sums[u * kWidth + r] += row[u];
    }
    for (int bag = 0; bag < p.bags; ++bag) {
      const float* const row = p.bag_inner[bag] + bag_row(p, t, r) * total;
      for (int u = 0; u < total; ++u) sums[u * kWidth + r] += row[u];
    }
  }
  for (int u = 0; u < total; ++u) {
    Vec sum = load(sums + u * kWidth);
    for (int v = 0; v < given; ++v) sum += load(t.x + v * kWidth) * p.inner_weight[v * total + u];
    store(sums + u * kWidth, sum);
  }
  float* const residual = sums + p.inner * kWidth;
  if (p.residual_weight != nullptr)
    layer_norm(residual, p.variables, p.residual_weight, p.residual_bias, p.epsilon);
  elu_all(sums, p.inner);
  gated_sum(p.gate, sums, p.inner, p.variables, p.epsilon, residual, t.shares);
  Vec highest = load(t.shares);
  for (int v = 1; v < p.variables; ++v) highest = larger(highest, load(t.shares + v * kWidth));
  Vec sum{};
  for (int v = 0; v < p.variables; ++v) {
    const Vec share = exp2((load(t.shares + v * kWidth) - highest) * kLog2E);
    sum += share;
    store(t.shares + v * kWidth, share);
  }
  const Vec inverse = 1.f / sum;
  for (int v = 0; v < p.variables; ++v) store(t.shares + v * kWidth, load(t.shares + v * kWidth) * inverse);
}

/// Adds a real variable's network, times its share, to t.sums.
void add_variable(const VariableSelectionParameters& p, int hidden_size, int v, SelectionTile& t,
                  float* hidden) {
  const Vec x = load(t.x + v * kWidth);
  const float *slope = p.network_inner + v * 2 * p.width, *offset = slope + p.width;
  for (int k = 0; k < p.width; ++k) store(hidden + k * kWidth, elu(x * slope[k] + offset[k]));
  const Vec distance = x - p.vertex[v];
  const Vec inverse = 1.f / square_root(distance * distance * p.curvature[v] + p.floor[v]);
  const float* const residual = p.residual + v * 3 * hidden_size;
  for (int u = 0; u < hidden_size; ++u)
    store(t.output + u * kWidth,
          inverse * (x * residual[u] + residual[hidden_size + u]) + residual[2 * hidden_size + u]);
  const int square = v * p.width * hidden_size;
  gate(hidden, p.width, {p.value + square, p.network_gate + square, hidden_size, nullptr, nullptr},
       hidden_size, -1.f, t.output, t.output);
  const Moments m = moments(t.output, hidden_size, p.epsilon);
  const Vec share = load(t.shares + v * kWidth), scale = share * m.inverse;
  const float *weight = p.norm_weight + v * hidden_size, *bias = p.norm_bias + v * hidden_size;
  for (int u = 0; u < hidden_size; ++u) {
    float* const at = t.sums + u * kWidth;
    store(at, load(at) + (load(t.output + u * kWidth) - m.mean) * scale * weight[u] + share * bias[u]);
  }
}

/// Adds the variables that are looked up to one row of units.
void add_looked_up(const VariableSelectionParameters& p, int hidden_size, const SelectionTile& t, int r,
                   float* out) {
  int v = p.reals, entry = 0;
  for (int i = 0; i < p.tabulated; ++i, ++v) {
    const float x = t.x[v * kWidth + r];
    // Clamp to the table, whatever the input; NaN becomes 0.
    const float whole = x > 0.f ? (x < p.largest[i] ? x : p.largest[i]) : 0.f;
    add_row(out, t.shares[v * kWidth + r], p.table + (entry + static_cast<int>(whole)) * hidden_size,
            hidden_size);
    entry += static_cast<int>(p.largest[i]) + 1;
  }
  for (int i = 0; i < p.fixed; ++i, ++v)
    add_row(out, t.shares[v * kWidth + r], p.fixed_values[i] + t.step[r] * hidden_size, hidden_size);
  const int skipped = p.inner + p.variables;
  for (int i = 0; i < p.tables; ++i, ++v)
    add_row(out, t.shares[v * kWidth + r],
            p.tables_values[i] + t.code[i][r] * (skipped + hidden_size) + skipped, hidden_size);
  for (int i = 0; i < p.bags; ++i, ++v)
    add_row(out, t.shares[v * kWidth + r], p.bag_outputs[i] + bag_row(p, t, r) * hidden_size, hidden_size);
}

void variable_selection(const VariableSelectionParameters& p, int hidden_size, float* memory) {
  float* const context = memory;  // [batch][kVariables]
  float* const scratch = memory + static_cast<std::size_t>(p.batch) * kVariables;
  if (p.context != nullptr)
    for (int series = 0; series < p.batch; ++series)
      for (int u = 0; u < p.inner; ++u) {
        float sum = 0.f;
        for (int k = 0; k < hidden_size; ++k)
          sum += p.context[series * hidden_size + k] * p.context_weight[k * p.inner + u];
        context[series * kVariables + u] = sum;
      }
  const int given = p.reals + p.tabulated;
  const long long rows = static_cast<long long>(p.steps) * p.batch;
  alignas(64) SelectionTile t;
  for (long long first = 0; first < rows; first += kWidth) {
    const int count = rows - first < kWidth ? static_cast<int>(rows - first) : kWidth;
    for (int r = 0; r < kWidth; ++r) {
      // Rows after the last repeat it.
      const long long row = first + (r < count ? r : count - 1);
      t.step[r] = static_cast<int>(row / p.batch);
      t.series[r] = static_cast<int>(row % p.batch);
      for (int v = 0; v < given; ++v) t.x[v * kWidth + r] = p.x[row * given + v];
      for (int i = 0; i < p.tables; ++i)
        t.code[i][r] =
            within(p.codes[i][(p.code_steps == 1 ? 0 : t.step[r]) * p.batch + t.series[r]], p.code_counts[i]);
    }
    weigh(p, hidden_size, context, t, scratch);
    for (int u = 0; u < hidden_size; ++u) store(t.sums + u * kWidth, Vec{});
    for (int v = 0; v < p.reals; ++v) add_variable(p, hidden_size, v, t, scratch);
    write_rows(t.sums, hidden_size, t.rows);
    for (int r = 0; r < count; ++r) {
      float* const row = t.rows + r * hidden_size;
      add_looked_up(p, hidden_size, t, r, row);
      float* const out = p.out + (first + r) * hidden_size;
      for (int u = 0; u < hidden_size; u += kWidth) store(out + u, load(row + u));
    }
  }
}

// ---- The networks of the static embedding

void static_contexts(const StaticContextsParameters& p, int hidden_size) {
  alignas(64) float in[kTile], hidden[kTile], out[kTile], rows[kTile];
  for (int first = 0; first < p.batch; first += kWidth) {
    const int count = p.batch - first < kWidth ? p.batch - first : kWidth;
    read_rows([&](int r) { return p.static_input + (first + (r < count ? r : count - 1)) * hidden_size; },
              hidden_size, in);
    for (int network = 0; network < 4; ++network) {
      const int square = network * hidden_size * hidden_size, row = network * hidden_size;
      map(in, hidden_size, p.expand + square, hidden_size, p.expand_bias + row, hidden);
      elu_all(hidden, hidden_size);
      gate(hidden, hidden_size,
           {p.value + square, p.gate + square, hidden_size, p.value_bias + row, p.gate_bias + row},
           hidden_size, 1.f, in, out);
      layer_norm(out, hidden_size, p.norm_weight + row, p.norm_bias + row, p.epsilon);
      write_rows(out, hidden_size, rows);
      for (int r = 0; r < count; ++r)
        for (int u = 0; u < hidden_size; ++u)
          p.out[network][(first + r) * hidden_size + u] = rows[r * hidden_size + u];
    }
  }
}

// ---- The recurrence

/// Rows whose four gates are computed at once: as many as there are registers for.
constexpr int kRows = kSums / 4;
/// Vectors of units that are computed at once, of `series` series: enough sums to hide an addition's latency.
template <int series>
constexpr int kUnits = series == 1 ? 2 : 1;
/// Steps whose inputs are multiplied by the weights before the first of them is computed: so the weights are
/// read once for kRows rows.
constexpr int kAhead = 16;

std::size_t recurrence_floats(const RecurrenceParameters& p) {
  return static_cast<std::size_t>(rounded_up(p.hidden_size)) * kRows * (3 + 4 * kAhead);
}

/// The gates' sums of `rows` rows x, without the recurrence's: out[row] has [block][gate][kWidth].
template <int rows>
TFT_INLINE void project(const PackedLstm& w, const float* const* x, int hidden, int padded, float* out) {
  for (int first = 0; first < padded; first += kWidth) {
    const float* weight = w.weight + 4 * first * hidden;
    Vec sums[rows][4];
#pragma GCC unroll 4
    for (int g = 0; g < 4; ++g)
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) sums[r][g] = load(w.bias + 4 * first + g * kWidth);
    for (int k = 0; k < hidden; ++k, weight += 4 * kWidth)
#pragma GCC unroll 4
      for (int g = 0; g < 4; ++g) {
        const Vec column = load(weight + g * kWidth);
#pragma GCC unroll 4
        for (int r = 0; r < rows; ++r) sums[r][g] += x[r][k] * column;
      }
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
      for (int g = 0; g < 4; ++g) store(out + (r * padded + first) * 4 + g * kWidth, sums[r][g]);
  }
}

/// Exponents are capped at 2^40 so that a product of three stays finite, which changes less than 1e-12.
TFT_INLINE Vec capped_exp2(Vec x) { return exp2(at_most(x, 40.f)); }

/// One step of `units` vectors of units from `first` on, of `series` series. `projected`, h, next_h and c
/// have a row for each series.
template <int series, int units>
TFT_INLINE void cell_units(const PackedLstm& w, const float* projected, int hidden, int padded, int first,
                           const float* h, float* next_h, float* c) {
  Vec sums[series][units][4];
#pragma GCC unroll 4
  for (int s = 0; s < series; ++s)
#pragma GCC unroll 2
    for (int i = 0; i < units; ++i)
#pragma GCC unroll 4
      for (int g = 0; g < 4; ++g)
        sums[s][i][g] = load(projected + (s * padded + first + i * kWidth) * 4 + g * kWidth);
  const float* const weight = w.recurrence + 4 * first * hidden;
  for (int k = 0; k < hidden; ++k)
#pragma GCC unroll 2
    for (int i = 0; i < units; ++i)
#pragma GCC unroll 4
      for (int g = 0; g < 4; ++g) {
        const Vec column = load(weight + ((i * hidden + k) * 4 + g) * kWidth);
#pragma GCC unroll 4
        for (int s = 0; s < series; ++s) sums[s][i][g] += h[s * padded + k] * column;
      }
#pragma GCC unroll 4
  for (int s = 0; s < series; ++s)
#pragma GCC unroll 2
    for (int i = 0; i < units; ++i) {
      // As in cpp/plugins/recurrence.cuh: the three factors of the cell share one reciprocal.
      const Vec ei = capped_exp2(sums[s][i][0] * -kLog2E), ef = capped_exp2(sums[s][i][1] * -kLog2E);
      const Vec eg = capped_exp2(sums[s][i][2] * (-2.f * kLog2E)), eo = capped_exp2(sums[s][i][3] * -kLog2E);
      const Vec forget = 1.f + ef, input = (1.f + ei) * (1.f + eg);
      float* const at = c + s * padded + first + i * kWidth;
      const Vec cell = ((1.f - eg) * forget + load(at) * input) * reciprocal(forget * input);
      store(at, cell);
      const Vec ec = capped_exp2(cell * (-2.f * kLog2E));
      store(next_h + s * padded + first + i * kWidth, (1.f - ec) * reciprocal((1.f + eo) * (1.f + ec)));
    }
}

/// The state that a series starts with.
TFT_INLINE void start(const RecurrenceParameters& p, int series, int padded, float* h, float* c) {
  const int hidden = p.hidden_size;
  for (int u = 0; u < padded; ++u) {
    h[u] = u < hidden ? p.hidden[series * hidden + u] : 0.f;
    c[u] = u < hidden ? p.cell[series * hidden + u] : 0.f;
  }
}

template <int series>
void recur(const RecurrenceParameters& p, const PackedLstm* packed, int first, float* memory) {
  const int hidden = p.hidden_size, padded = rounded_up(hidden);
  float *h = memory, *next = h + series * padded, *const c = next + series * padded;
  float* const projected = c + series * padded;  // [kAhead][series][4 padded]
  int absent[series], all_absent = p.sequences[0].steps;
  for (int s = 0; s < series; ++s) {
    start(p, first + s, padded, h + s * padded, c + s * padded);
    absent[s] = absent_steps(p.valid, p.sequences[0].steps, p.batch, first + s);
    all_absent = absent[s] < all_absent ? absent[s] : all_absent;
  }
  const long long stride = static_cast<long long>(p.batch) * hidden;
  for (int q = 0; q < 2; ++q) {
    const plugins::Sequence& sequence = p.sequences[q];
    const int begin = q == 0 ? all_absent : 0;
    for (int step = 0; step < begin; ++step)
      for (int i = 0; i < series * hidden; ++i) sequence.y[step * stride + first * hidden + i] = 0.f;
    for (int step = begin; step < sequence.steps; ++step) {
      const int ahead = (step - begin) % kAhead;
      if (ahead == 0) {
        const int rows = (sequence.steps - step < kAhead ? sequence.steps - step : kAhead) * series;
        const float* x[kAhead * series];
        for (int r = 0; r < rows; ++r)
          x[r] = sequence.x + (step + r / series) * stride + (first + r % series) * hidden;
        int r = 0;
        for (; rows - r >= kRows; r += kRows)
          project<kRows>(packed[q], x + r, hidden, padded, projected + r * 4 * padded);
        for (; r < rows; ++r) project<1>(packed[q], x + r, hidden, padded, projected + r * 4 * padded);
      }
      const float* const now = projected + ahead * series * 4 * padded;
      int u = 0;
      for (; padded - u >= kUnits<series> * kWidth; u += kUnits<series> * kWidth)
        cell_units<series, kUnits<series>>(packed[q], now, hidden, padded, u, h, next, c);
      for (; u < padded; u += kWidth) cell_units<series, 1>(packed[q], now, hidden, padded, u, h, next, c);
      for (int s = 0; s < series; ++s) {
        float* const y = sequence.y + step * stride + (first + s) * hidden;
        if (q == 0 && step < absent[s]) {
          start(p, first + s, padded, next + s * padded, c + s * padded);
          for (u = 0; u < hidden; ++u) y[u] = 0.f;
          continue;
        }
        for (u = 0; hidden - u >= kWidth; u += kWidth) store(y + u, load(next + s * padded + u));
        for (; u < hidden; ++u) y[u] = next[s * padded + u];
      }
      float* const before = h;
      h = next, next = before;
    }
  }
  for (int s = 0; s < series; ++s)
    for (int u = 0; u < hidden; ++u) {
      if (p.last_hidden != nullptr) p.last_hidden[(first + s) * hidden + u] = h[s * padded + u];
      if (p.last_cell != nullptr) p.last_cell[(first + s) * hidden + u] = c[s * padded + u];
    }
}

void recurrence(const RecurrenceParameters& p, const PackedLstm* packed, float* memory) {
  int first = 0;
  for (; p.batch - first >= kRows; first += kRows) recur<kRows>(p, packed, first, memory);
  if (kRows > 2 && p.batch - first >= 2) recur<2>(p, packed, first, memory), first += 2;
  for (; first < p.batch; ++first) recur<1>(p, packed, first, memory);
}

// ---- The decoder

struct DecoderMemory {
  int hidden;
  int steps;  // the stride of keys and values: a multiple of kWidth, with room for a tile behind the last
  float *keys, *values;               // [hidden][steps], [head size][steps]
  float *queries, *local, *enriched;  // tiles of the future steps
  float* scores;                      // [heads][kQueries][steps]
};

constexpr int kQueries = 2;  // attended at once

/// Places the parts in `memory`, or only counts them if it is null. Returns their floats.
std::size_t place_decoder(const EnrichmentParameters& e, int hidden_size, float* memory, DecoderMemory& m) {
  m.hidden = hidden_size;
  m.steps = rounded_up(e.past_steps + e.future_steps) + kWidth;
  const int heads = hidden_size / e.head_size, tiles = rounded_up(e.future_steps) * hidden_size;
  std::size_t used = 0;
  const auto place = [&](float*& part, int count, int floats) {
    if (memory != nullptr) part = memory + used;
    used += static_cast<std::size_t>(count) * static_cast<std::size_t>(floats);
  };
  place(m.keys, hidden_size, m.steps);
  place(m.values, e.head_size, m.steps);
  place(m.queries, 1, tiles);
  place(m.local, 1, tiles);
  place(m.enriched, 1, tiles);
  place(m.scores, heads * kQueries, m.steps);
  return used;
}

std::size_t decoder_floats(const EnrichmentParameters& e, int hidden_size) {
  DecoderMemory m{};
  return place_decoder(e, hidden_size, nullptr, m);
}

/// A tile of steps of one series, from the recurrence to keys, values and, of future steps, queries.
void enrich(const EnrichmentParameters& e, const DecoderMemory& m, int series, int first, int end,
            const float* from_context) {
  alignas(64) float in[kTile], skip[kTile], hidden[kTile], mine[2][kTile];
  const bool future = first >= e.past_steps;
  const long long stride = static_cast<long long>(e.batch) * m.hidden;
  const auto step_of = [&](int r) { return first + r < end ? first + r : end - 1; };
  read_rows([&](int r) { return e.recurrent + step_of(r) * stride + series * m.hidden; }, m.hidden, in);
  read_rows(
      [&](int r) {
        const int step = step_of(r);
        return (future ? e.future + (step - e.past_steps) * stride : e.past + step * stride) +
               series * m.hidden;
      },
      m.hidden, skip);
  const int tile = future ? (first - e.past_steps) * m.hidden : 0;  // a tile has `hidden` floats a step
  float* const local = future ? m.local + tile : mine[0];
  float* const enriched = future ? m.enriched + tile : mine[1];
  gated_sum(e.after_recurrent, in, m.hidden, m.hidden, e.epsilon, skip, local);
  map(local, m.hidden, e.expand_weight, m.hidden, from_context, hidden);
  elu_all(hidden, m.hidden);
  gated_sum(e.enrichment, hidden, m.hidden, m.hidden, e.epsilon, local, enriched);
  map(enriched, m.hidden, e.key_weight, m.hidden, e.key_bias, m.keys + first, m.steps);
  map(enriched, m.hidden, e.value_weight, e.head_size, e.value_bias, m.values + first, m.steps);
  if (future) map(enriched, m.hidden, e.query_weight, m.hidden, e.query_bias, m.queries + tile);
}

/// The attention of kQueries queries, rows r and following of a tile, to the steps from `begin` to their
/// `lasts`: unit d of row r goes to attended[d][r].
template <int D>
void attend(const DecoderMemory& m, const float* queries, int r, int begin, const int (&lasts)[kQueries],
            float* attended) {
  const int heads = m.hidden / D;
  int longest = lasts[0], shortest = lasts[0];
  for (int q = 1; q < kQueries; ++q) {
    longest = lasts[q] > longest ? lasts[q] : longest;
    shortest = lasts[q] < shortest ? lasts[q] : shortest;
  }
  const int start = begin / kWidth * kWidth, end = rounded_up(longest), whole = shortest / kWidth * kWidth;
  Ints lane;
  for (int i = 0; i < kWidth; ++i) lane[i] = i;
  float inverse[kQueries][kMaxHidden / D];
  for (int head = 0; head < heads; ++head) {
    const float* const keys = m.keys + head * D * m.steps;
    float* const scores = m.scores + head * kQueries * m.steps;
    Vec query[kQueries][D], largest[kQueries], sums[kQueries];
#pragma GCC unroll 4
    for (int q = 0; q < kQueries; ++q) {
      largest[q] = splat(-3e38f), sums[q] = Vec{};
      // In units of log2, for the exponential below.
#pragma GCC unroll 16
      for (int d = 0; d < D; ++d) query[q][d] = splat(queries[(head * D + d) * kWidth + r + q] * kLog2E);
    }
    const auto score_at = [&](int step, auto is_whole) {
      Vec score[kQueries] = {};
#pragma GCC unroll 32
      for (int d = 0; d < D; ++d) {
        const Vec key = load(keys + d * m.steps + step);
#pragma GCC unroll 4
        for (int q = 0; q < kQueries; ++q) score[q] += query[q][d] * key;
      }
#pragma GCC unroll 4
      for (int q = 0; q < kQueries; ++q) {
        if (!decltype(is_whole)::value) {
          score[q] = lane < lasts[q] - step ? score[q] : splat(-3e38f);
          score[q] = lane < begin - step ? splat(-3e38f) : score[q];
        }
        largest[q] = larger(score[q], largest[q]);
        store(scores + q * m.steps + step, score[q]);
      }
    };
    int step = start;
    if (step < begin) score_at(step, std::false_type()), step += kWidth;
    for (; step < whole; step += kWidth) score_at(step, std::true_type());
    for (; step < end; step += kWidth) score_at(step, std::false_type());
#pragma GCC unroll 4
    for (int q = 0; q < kQueries; ++q) largest[q] = splat(largest_of(largest[q]));
    // A score that is not a number makes the sum not a number.
    for (step = start; step < end; step += kWidth)
#pragma GCC unroll 4
      for (int q = 0; q < kQueries; ++q) {
        float* const at = scores + q * m.steps + step;
        const Vec share = exp2(load(at) - largest[q]);
        sums[q] += share;
        store(at, share);
      }
    for (int q = 0; q < kQueries; ++q) inverse[q][head] = 1.f / (sum_of(sums[q]) * static_cast<float>(heads));
  }
  // The heads share their values, so that their weights are averaged first.
  Vec sums[kQueries][D] = {};
  for (int step = start; step < end; step += kWidth) {
    Vec weight[kQueries] = {};
    for (int head = 0; head < heads; ++head)
#pragma GCC unroll 4
      for (int q = 0; q < kQueries; ++q)
        weight[q] += load(m.scores + (head * kQueries + q) * m.steps + step) * inverse[q][head];
#pragma GCC unroll 16
    for (int d = 0; d < D; ++d) {
      const Vec value = load(m.values + d * m.steps + step);
#pragma GCC unroll 4
      for (int q = 0; q < kQueries; ++q) sums[q][d] += weight[q] * value;
    }
  }
  for (int q = 0; q < kQueries; ++q)
    for (int d = 0; d < D; ++d) attended[d * kWidth + r + q] = sum_of(sums[q][d]);
}

/// A tile of queries, from the attention to the quantiles. The series has the steps from `begin` on.
template <int D>
void attend_tile(const EnrichmentParameters& e, const AttentionParameters& a, const DecoderMemory& m,
                 int series, int begin, int first) {
  alignas(64) float attended[kTile], rows[kTile], hidden[kTile], more[kTile], out[kTile];
  const int steps = e.past_steps + e.future_steps, tile = first * m.hidden;
  for (int r = 0; r < kWidth; r += kQueries) {
    int lasts[kQueries];
    for (int q = 0; q < kQueries; ++q) {
      const int query = first + r + q < e.future_steps ? first + r + q : e.future_steps - 1;
      // The past, and the forecast steps before it.
      lasts[q] = a.causal != 0 ? e.past_steps + query : steps;
    }
    attend<D>(m, m.queries + tile, r, begin, lasts, attended);
  }
  gated_sum(a.after_attention, attended, D, m.hidden, a.epsilon, m.enriched + tile, rows);
  map(rows, m.hidden, a.expand_weight, m.hidden, a.expand_bias, hidden);
  elu_all(hidden, m.hidden);
  gated_sum(a.position_wise, hidden, m.hidden, m.hidden, a.epsilon, rows, more);
  gated_sum(a.before_output, more, m.hidden, m.hidden, a.epsilon, m.local + tile, rows);
  map(rows, m.hidden, a.output_weight, a.quantiles, a.output_bias, out);
  for (int r = 0; r < kWidth && first + r < e.future_steps; ++r)
    for (int q = 0; q < a.quantiles; ++q)
      a.out[(static_cast<long long>(first + r) * e.batch + series) * a.quantiles + q] = out[q * kWidth + r];
}

void decoder(const EnrichmentParameters& e, const AttentionParameters& a, int hidden_size, float* memory) {
  DecoderMemory m{};
  place_decoder(e, hidden_size, memory, m);
  const int steps = e.past_steps + e.future_steps;
  // Behind the last step values are multiplied by zero, and must be numbers.
  for (int d = 0; d < e.head_size; ++d)
    for (int step = steps; step < m.steps; ++step) m.values[d * m.steps + step] = 0.f;
  for (int series = 0; series < e.batch; ++series) {
    alignas(64) float from_context[kMaxHidden];
    for (int u = 0; u < m.hidden; ++u) from_context[u] = e.expand_bias[u];
    for (int k = 0; k < m.hidden; ++k)
      add_row(from_context, e.context[series * m.hidden + k], e.context_weight + k * m.hidden, m.hidden);
    // At least one step, so that there is something to attend to.
    const int absent = absent_steps(e.valid, e.past_steps, e.batch, series);
    const int begin = absent < e.past_steps ? absent : e.past_steps - 1;
    // From a whole tile on, since the attention reads whole ones.
    for (int first = begin / kWidth * kWidth; first < e.past_steps; first += kWidth)
      enrich(e, m, series, first, e.past_steps, from_context);
    for (int first = e.past_steps; first < steps; first += kWidth)
      enrich(e, m, series, first, steps, from_context);
    for (int first = 0; first < e.future_steps; first += kWidth) {
      switch (e.head_size) {
        case 4:
          attend_tile<4>(e, a, m, series, begin, first);
          break;
        case 8:
          attend_tile<8>(e, a, m, series, begin, first);
          break;
        case 16:
          attend_tile<16>(e, a, m, series, begin, first);
          break;
        default:
          attend_tile<32>(e, a, m, series, begin, first);
          break;
      }
    }
  }
}

}  // namespace

const Functions& TFT_LEVEL_FUNCTIONS() {
  static constexpr Functions functions = {
      kWidth,         selection_floats, variable_selection, static_contexts, recurrence_floats, recurrence,
      decoder_floats, decoder};
  return functions;
}

}  // namespace tft::cpu

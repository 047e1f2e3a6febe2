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

constexpr int kHidden = 32;
constexpr int kTile = kHidden * kWidth;

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

/// Reads kWidth rows of kHidden floats into a tile. Row r is at `row(r)`.
template <class Row>
TFT_INLINE void read_rows(const Row& row, float* tile) {
  const float* rows[kWidth];
  for (int r = 0; r < kWidth; ++r) rows[r] = row(r);
  for (int u = 0; u < kHidden; u += kWidth) {
    Vec square[kWidth];
#pragma GCC unroll 16
    for (int r = 0; r < kWidth; ++r) square[r] = load(rows[r] + u);
    transpose(square);
#pragma GCC unroll 16
    for (int r = 0; r < kWidth; ++r) store(tile + (u + r) * kWidth, square[r]);
  }
}

/// The rows of a tile, one after another in `rows` [kWidth][kHidden].
TFT_SHARED void write_rows(const float* tile, float* rows) {
  for (int u = 0; u < kHidden; u += kWidth) {
    Vec square[kWidth];
#pragma GCC unroll 16
    for (int r = 0; r < kWidth; ++r) square[r] = load(tile + (u + r) * kWidth);
    transpose(square);
#pragma GCC unroll 16
    for (int r = 0; r < kWidth; ++r) store(rows + r * kHidden + u, square[r]);
  }
}

/// out[i] += factor * row[i] for the units of one row.
TFT_INLINE void add_row(float* out, float factor, const float* row) {
#pragma GCC unroll 8
  for (int u = 0; u < kHidden; u += kWidth) store(out + u, load(out + u) + factor * load(row + u));
}

TFT_INLINE int within(int value, int count) { return value < 0 ? 0 : value < count ? value : count - 1; }

// ---- Variable selection

/// Scratch of a tile and what the context adds to the weighing network, for each series.
std::size_t selection_floats(const VariableSelectionParameters& p) {
  const int widest = p.width > 2 * kHidden ? p.width : 2 * kHidden;
  return static_cast<std::size_t>(widest) * kWidth + static_cast<std::size_t>(p.batch) * kHidden;
}

struct SelectionTile {
  float x[kHidden * kWidth];         // [given]
  float shares[kHidden * kWidth];    // [variables]
  float hidden[kHidden * kWidth];    // [inner]
  float sums[kTile], output[kTile];  // [kHidden]
  float rows[kTile];                 // [kWidth][kHidden]
  int step[kWidth], series[kWidth], code[plugins::kMaxTables][kWidth];
};

/// The softmax over the variables, in t.shares.
void weigh(const VariableSelectionParameters& p, const float* context, SelectionTile& t, float* sums) {
  const int total = p.inner + p.variables, given = p.reals + p.tabulated;
  for (int r = 0; r < kWidth; ++r) {
    const float* const bias = p.inner_bias + (p.bias_steps == 1 ? 0 : t.step[r]) * total;
    const float* const of_context = context + t.series[r] * kHidden;
    for (int u = 0; u < total; ++u) sums[u * kWidth + r] = bias[u];
    if (p.context != nullptr)
      for (int u = 0; u < p.inner; ++u) sums[u * kWidth + r] += of_context[u];
    for (int table = 0; table < p.tables; ++table) {
      const float* const row = p.tables_values[table] + t.code[table][r] * (total + kHidden);
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
void add_variable(const VariableSelectionParameters& p, int v, SelectionTile& t, float* hidden) {
  const Vec x = load(t.x + v * kWidth);
  const float *slope = p.network_inner + v * 2 * p.width, *offset = slope + p.width;
  for (int k = 0; k < p.width; ++k) store(hidden + k * kWidth, elu(x * slope[k] + offset[k]));
  const Vec distance = x - p.vertex[v];
  const Vec inverse = 1.f / square_root(distance * distance * p.curvature[v] + p.floor[v]);
  const float* const residual = p.residual + v * 3 * kHidden;
  for (int u = 0; u < kHidden; ++u)
    store(t.output + u * kWidth,
          inverse * (x * residual[u] + residual[kHidden + u]) + residual[2 * kHidden + u]);
  const int square = v * p.width * kHidden;
  gate(hidden, p.width, {p.value + square, p.network_gate + square, kHidden, nullptr, nullptr}, kHidden, -1.f,
       t.output, t.output);
  const Moments m = moments(t.output, kHidden, p.epsilon);
  const Vec share = load(t.shares + v * kWidth), scale = share * m.inverse;
  const float *weight = p.norm_weight + v * kHidden, *bias = p.norm_bias + v * kHidden;
  for (int u = 0; u < kHidden; ++u) {
    float* const at = t.sums + u * kWidth;
    store(at, load(at) + (load(t.output + u * kWidth) - m.mean) * scale * weight[u] + share * bias[u]);
  }
}

/// Adds the variables that are looked up to one row of units.
void add_looked_up(const VariableSelectionParameters& p, const SelectionTile& t, int r, float* out) {
  int v = p.reals, entry = 0;
  for (int i = 0; i < p.tabulated; ++i, ++v) {
    const float x = t.x[v * kWidth + r];
    // Clamp to the table, whatever the input; NaN becomes 0.
    const float whole = x > 0.f ? (x < p.largest[i] ? x : p.largest[i]) : 0.f;
    add_row(out, t.shares[v * kWidth + r], p.table + (entry + static_cast<int>(whole)) * kHidden);
    entry += static_cast<int>(p.largest[i]) + 1;
  }
  for (int i = 0; i < p.fixed; ++i, ++v)
    add_row(out, t.shares[v * kWidth + r], p.fixed_values[i] + t.step[r] * kHidden);
  const int skipped = p.inner + p.variables;
  for (int i = 0; i < p.tables; ++i, ++v)
    add_row(out, t.shares[v * kWidth + r], p.tables_values[i] + t.code[i][r] * (skipped + kHidden) + skipped);
}

void variable_selection(const VariableSelectionParameters& p, float* memory) {
  float* const context = memory;  // [batch][kHidden]
  float* const scratch = memory + static_cast<std::size_t>(p.batch) * kHidden;
  if (p.context != nullptr)
    for (int series = 0; series < p.batch; ++series)
      for (int u = 0; u < p.inner; ++u) {
        float sum = 0.f;
        for (int k = 0; k < kHidden; ++k)
          sum += p.context[series * kHidden + k] * p.context_weight[k * p.inner + u];
        context[series * kHidden + u] = sum;
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
    weigh(p, context, t, scratch);
    for (int u = 0; u < kHidden; ++u) store(t.sums + u * kWidth, Vec{});
    for (int v = 0; v < p.reals; ++v) add_variable(p, v, t, scratch);
    write_rows(t.sums, t.rows);
    for (int r = 0; r < count; ++r) {
      float* const row = t.rows + r * kHidden;
      add_looked_up(p, t, r, row);
      float* const out = p.out + (first + r) * kHidden;
      for (int u = 0; u < kHidden; u += kWidth) store(out + u, load(row + u));
    }
  }
}

// ---- The networks of the static embedding

void static_contexts(const StaticContextsParameters& p) {
  alignas(64) float in[kTile], hidden[kTile], out[kTile], rows[kTile];
  for (int first = 0; first < p.batch; first += kWidth) {
    const int count = p.batch - first < kWidth ? p.batch - first : kWidth;
    read_rows([&](int r) { return p.static_input + (first + (r < count ? r : count - 1)) * kHidden; }, in);
    for (int network = 0; network < 4; ++network) {
      const int square = network * kHidden * kHidden, row = network * kHidden;
      map(in, kHidden, p.expand + square, kHidden, p.expand_bias + row, hidden);
      elu_all(hidden, kHidden);
      gate(hidden, kHidden,
           {p.value + square, p.gate + square, kHidden, p.value_bias + row, p.gate_bias + row}, kHidden, 1.f,
           in, out);
      layer_norm(out, kHidden, p.norm_weight + row, p.norm_bias + row, p.epsilon);
      write_rows(out, rows);
      for (int r = 0; r < count; ++r)
        for (int u = 0; u < kHidden; ++u) p.out[network][(first + r) * kHidden + u] = rows[r * kHidden + u];
    }
  }
}

// ---- The recurrence

/// Series that one pass over the steps computes: as many as there are registers for.
#if defined(__AVX2__) || defined(__aarch64__)
constexpr int kSeries = 2;
#else
constexpr int kSeries = 1;
#endif
/// Vectors of units that are computed at once, four sums each: enough sums to hide an addition's latency.
template <int series>
constexpr int kUnits = series == 1 ? 2 : kSums / 4 / series;

std::size_t recurrence_floats(const RecurrenceParameters& p) {
  return static_cast<std::size_t>(rounded_up(p.hidden_size)) * kSeries * 3;
}

/// Exponents are capped at 2^40 so that a product of three stays finite, which changes less than 1e-12.
TFT_INLINE Vec capped_exp2(Vec x) { return exp2(at_most(x, 40.f)); }

/// `units` vectors of units from `first` on, of `series` series, one step. h is [series][padded]; next_h and
/// c likewise.
template <int series, int units>
TFT_INLINE void cell_units(const PackedLstm& w, const float* const (&x)[series], int hidden, int padded,
                           int first, const float* h, float* next_h, float* c) {
  Vec sums[series][4][units];
#pragma GCC unroll 4
  for (int s = 0; s < series; ++s)
#pragma GCC unroll 4
    for (int g = 0; g < 4; ++g)
#pragma GCC unroll 2
      for (int i = 0; i < units; ++i) sums[s][g][i] = load(w.bias + g * padded + first + i * kWidth);
  const float* weight = w.weight + first;
  for (int k = 0; k < hidden; ++k, weight += 4 * padded)
#pragma GCC unroll 4
    for (int g = 0; g < 4; ++g)
#pragma GCC unroll 2
      for (int i = 0; i < units; ++i) {
        const Vec column = load(weight + g * padded + i * kWidth);
#pragma GCC unroll 4
        for (int s = 0; s < series; ++s) sums[s][g][i] += x[s][k] * column;
      }
  weight = w.recurrence + first;
  for (int k = 0; k < hidden; ++k, weight += 4 * padded)
#pragma GCC unroll 4
    for (int g = 0; g < 4; ++g)
#pragma GCC unroll 2
      for (int i = 0; i < units; ++i) {
        const Vec column = load(weight + g * padded + i * kWidth);
#pragma GCC unroll 4
        for (int s = 0; s < series; ++s) sums[s][g][i] += h[s * padded + k] * column;
      }
#pragma GCC unroll 4
  for (int s = 0; s < series; ++s)
#pragma GCC unroll 2
    for (int i = 0; i < units; ++i) {
      // As in cpp/plugins/recurrence.cuh: the three factors of the cell share one reciprocal.
      const Vec ei = capped_exp2(sums[s][0][i] * -kLog2E), ef = capped_exp2(sums[s][1][i] * -kLog2E);
      const Vec eg = capped_exp2(sums[s][2][i] * (-2.f * kLog2E)), eo = capped_exp2(sums[s][3][i] * -kLog2E);
      const Vec forget = 1.f + ef, input = (1.f + ei) * (1.f + eg);
      float* const at = c + s * padded + first + i * kWidth;
      const Vec cell = ((1.f - eg) * forget + load(at) * input) * reciprocal(forget * input);
      store(at, cell);
      const Vec ec = capped_exp2(cell * (-2.f * kLog2E));
      store(next_h + s * padded + first + i * kWidth, (1.f - ec) * reciprocal((1.f + eo) * (1.f + ec)));
    }
}

template <int series>
void recur(const RecurrenceParameters& p, const PackedLstm* packed, int first, float* memory) {
  const int hidden = p.hidden_size, padded = rounded_up(hidden);
  float *h = memory, *next = h + series * padded, *const c = next + series * padded;
  for (int s = 0; s < series; ++s)
    for (int u = 0; u < padded; ++u) {
      h[s * padded + u] = u < hidden ? p.hidden[(first + s) * hidden + u] : 0.f;
      c[s * padded + u] = u < hidden ? p.cell[(first + s) * hidden + u] : 0.f;
    }
  const long long stride = static_cast<long long>(p.batch) * hidden;
  for (int q = 0; q < 2; ++q) {
    const plugins::Sequence& sequence = p.sequences[q];
    for (int step = 0; step < sequence.steps; ++step) {
      const float* x[series];
      for (int s = 0; s < series; ++s) x[s] = sequence.x + step * stride + (first + s) * hidden;
      int u = 0;
      for (; u + kUnits<series> * kWidth <= padded; u += kUnits<series> * kWidth)
        cell_units<series, kUnits<series>>(packed[q], x, hidden, padded, u, h, next, c);
      for (; u < padded; u += kWidth) cell_units<series, 1>(packed[q], x, hidden, padded, u, h, next, c);
      for (int s = 0; s < series; ++s) {
        float* const y = sequence.y + step * stride + (first + s) * hidden;
        for (u = 0; u + kWidth <= hidden; u += kWidth) store(y + u, load(next + s * padded + u));
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
  for (; first + kSeries <= p.batch; first += kSeries) recur<kSeries>(p, packed, first, memory);
  for (; first < p.batch; ++first) recur<1>(p, packed, first, memory);
}

// ---- The decoder

struct DecoderMemory {
  int steps;  // the stride of keys and values: a multiple of kWidth, with room for a tile behind the last
  float *keys, *values;               // [kHidden][steps], [head size][steps]
  float *queries, *local, *enriched;  // tiles of the future steps
  float* scores;                      // [heads][kQueries][steps]
};

constexpr int kQueries = 2;  // attended at once

std::size_t place_decoder(const EnrichmentParameters& e, float* memory, DecoderMemory* m) {
  const int steps = rounded_up(e.past_steps + e.future_steps) + kWidth;
  const int tiles = rounded_up(e.future_steps) / kWidth * kTile;
  std::size_t used = 0;
  const auto take = [&](int floats) {
    float* const at = memory + used;
    used += static_cast<std::size_t>(floats);
    return at;
  };
  DecoderMemory made{};
  made.steps = steps;
  if (memory == nullptr)
    return static_cast<std::size_t>(steps) *
               static_cast<std::size_t>(kHidden + e.head_size + kHidden / e.head_size * kQueries) +
           3 * static_cast<std::size_t>(tiles);
  made.keys = take(kHidden * steps), made.values = take(e.head_size * steps);
  made.queries = take(tiles), made.local = take(tiles), made.enriched = take(tiles);
  made.scores = take(kHidden / e.head_size * kQueries * steps);
  *m = made;
  return used;
}

std::size_t decoder_floats(const EnrichmentParameters& e) { return place_decoder(e, nullptr, nullptr); }

/// A tile of steps of one series, from the recurrence to keys, values and, of future steps, queries.
void enrich(const EnrichmentParameters& e, const DecoderMemory& m, int series, int first, int end,
            const float* from_context) {
  alignas(64) float in[kTile], skip[kTile], hidden[kTile], mine[2][kTile];
  const bool future = first >= e.past_steps;
  const long long stride = static_cast<long long>(e.batch) * kHidden;
  const auto step_of = [&](int r) { return first + r < end ? first + r : end - 1; };
  read_rows([&](int r) { return e.recurrent + step_of(r) * stride + series * kHidden; }, in);
  read_rows(
      [&](int r) {
        const int step = step_of(r);
        return (future ? e.future + (step - e.past_steps) * stride : e.past + step * stride) +
               series * kHidden;
      },
      skip);
  const int tile = future ? (first - e.past_steps) * kHidden : 0;  // a tile has kHidden floats a step
  float* const local = future ? m.local + tile : mine[0];
  float* const enriched = future ? m.enriched + tile : mine[1];
  gated_sum(e.after_recurrent, in, kHidden, kHidden, e.epsilon, skip, local);
  map(local, kHidden, e.expand_weight, kHidden, from_context, hidden);
  elu_all(hidden, kHidden);
  gated_sum(e.enrichment, hidden, kHidden, kHidden, e.epsilon, local, enriched);
  map(enriched, kHidden, e.key_weight, kHidden, e.key_bias, m.keys + first, m.steps);
  map(enriched, kHidden, e.value_weight, e.head_size, e.value_bias, m.values + first, m.steps);
  if (future) map(enriched, kHidden, e.query_weight, kHidden, e.query_bias, m.queries + tile);
}

/// The attention of kQueries queries, rows r and following of a tile, to `lasts` steps each: unit d of row r
/// goes to attended[d][r].
template <int D>
void attend(const DecoderMemory& m, const float* queries, int r, const int (&lasts)[kQueries],
            float* attended) {
  constexpr int heads = kHidden / D;
  int longest = lasts[0], shortest = lasts[0];
  for (int q = 1; q < kQueries; ++q) {
    longest = lasts[q] > longest ? lasts[q] : longest;
    shortest = lasts[q] < shortest ? lasts[q] : shortest;
  }
  const int end = rounded_up(longest), whole = shortest / kWidth * kWidth;
  Ints lane;
  for (int i = 0; i < kWidth; ++i) lane[i] = i;
  float inverse[kQueries][heads];
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
#pragma GCC unroll 16
      for (int d = 0; d < D; ++d) {
        const Vec key = load(keys + d * m.steps + step);
#pragma GCC unroll 4
        for (int q = 0; q < kQueries; ++q) score[q] += query[q][d] * key;
      }
#pragma GCC unroll 4
      for (int q = 0; q < kQueries; ++q) {
        if (!decltype(is_whole)::value) score[q] = lane < lasts[q] - step ? score[q] : splat(-3e38f);
        largest[q] = larger(score[q], largest[q]);
        store(scores + q * m.steps + step, score[q]);
      }
    };
    for (int step = 0; step < whole; step += kWidth) score_at(step, std::true_type());
    for (int step = whole; step < end; step += kWidth) score_at(step, std::false_type());
#pragma GCC unroll 4
    for (int q = 0; q < kQueries; ++q) largest[q] = splat(largest_of(largest[q]));
    // A score that is not a number makes the sum not a number.
    for (int step = 0; step < end; step += kWidth)
#pragma GCC unroll 4
      for (int q = 0; q < kQueries; ++q) {
        float* const at = scores + q * m.steps + step;
        const Vec share = exp2(load(at) - largest[q]);
        sums[q] += share;
        store(at, share);
      }
    for (int q = 0; q < kQueries; ++q) inverse[q][head] = 1.f / (sum_of(sums[q]) * heads);
  }
  // The heads share their values, so that their weights are averaged first.
  Vec sums[kQueries][D] = {};
  for (int step = 0; step < end; step += kWidth) {
    Vec weight[kQueries] = {};
#pragma GCC unroll 8
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

/// A tile of queries, from the attention to the quantiles.
template <int D>
void attend_tile(const EnrichmentParameters& e, const AttentionParameters& a, const DecoderMemory& m,
                 int series, int first) {
  alignas(64) float attended[kTile], rows[kTile], hidden[kTile], more[kTile], out[kTile];
  const int steps = e.past_steps + e.future_steps, tile = first * kHidden;
  for (int r = 0; r < kWidth; r += kQueries) {
    int lasts[kQueries];
    for (int q = 0; q < kQueries; ++q) {
      const int query = first + r + q < e.future_steps ? first + r + q : e.future_steps - 1;
      // The past, and the forecast steps before it.
      lasts[q] = a.causal != 0 ? e.past_steps + query : steps;
    }
    attend<D>(m, m.queries + tile, r, lasts, attended);
  }
  gated_sum(a.after_attention, attended, D, kHidden, a.epsilon, m.enriched + tile, rows);
  map(rows, kHidden, a.expand_weight, kHidden, a.expand_bias, hidden);
  elu_all(hidden, kHidden);
  gated_sum(a.position_wise, hidden, kHidden, kHidden, a.epsilon, rows, more);
  gated_sum(a.before_output, more, kHidden, kHidden, a.epsilon, m.local + tile, rows);
  map(rows, kHidden, a.output_weight, a.quantiles, a.output_bias, out);
  for (int r = 0; r < kWidth && first + r < e.future_steps; ++r)
    for (int q = 0; q < a.quantiles; ++q)
      a.out[(static_cast<long long>(first + r) * e.batch + series) * a.quantiles + q] = out[q * kWidth + r];
}

void decoder(const EnrichmentParameters& e, const AttentionParameters& a, float* memory) {
  DecoderMemory m{};
  place_decoder(e, memory, &m);
  const int steps = e.past_steps + e.future_steps;
  // Behind the last step values are multiplied by zero, and must be numbers.
  for (int d = 0; d < e.head_size; ++d)
    for (int step = steps; step < m.steps; ++step) m.values[d * m.steps + step] = 0.f;
  for (int series = 0; series < e.batch; ++series) {
    alignas(64) float from_context[kHidden];
    for (int u = 0; u < kHidden; ++u) from_context[u] = e.expand_bias[u];
    for (int k = 0; k < kHidden; ++k)
      add_row(from_context, e.context[series * kHidden + k], e.context_weight + k * kHidden);
    for (int first = 0; first < e.past_steps; first += kWidth)
      enrich(e, m, series, first, e.past_steps, from_context);
    for (int first = e.past_steps; first < steps; first += kWidth)
      enrich(e, m, series, first, steps, from_context);
    for (int first = 0; first < e.future_steps; first += kWidth) {
      switch (e.head_size) {
        case 4:
          attend_tile<4>(e, a, m, series, first);
          break;
        case 8:
          attend_tile<8>(e, a, m, series, first);
          break;
        default:
          attend_tile<16>(e, a, m, series, first);
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

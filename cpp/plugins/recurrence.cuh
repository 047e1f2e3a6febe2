// The LSTM over one or two sequences in one launch, H = 32, FP32.
//
//   i = sigmoid(W_i x + U_i h + b_i), likewise o, f; g = tanh(W_c x + U_c h + b_c)
//   c' = f c + i g, h' = o tanh(c')
//
// A block is one series: its first warp runs the recurrence with U in registers (lane = hidden unit), and
// PROJECTORS further warps compute W x + b a chunk of steps ahead. Blocks do not communicate, so the batch
// size is unlimited.
#pragma once

#include "device.h"
#include "parameters.h"

namespace tft::plugins {

/// How many of the first sequence's steps each of N series, from `first` on, does not have. The whole warp
/// calls it; those behind the last series are as the last.
template <int N>
TFT_DEVICE void absent_steps(int (&absent)[N], const RecurrenceParameters& p, int first, int lane) {
  float counts[N];
#pragma unroll
  for (int i = 0; i < N; ++i) counts[i] = 0.f;
  if (p.valid != nullptr) {
    for (int step = lane; step < p.sequences[0].steps; step += kWarp)
#pragma unroll
      for (int i = 0; i < N; ++i) {
        const int series = first + i < p.batch ? first + i : p.batch - 1;
        counts[i] += p.valid[static_cast<long long>(step) * p.batch + series] < 0.5f ? 1.f : 0.f;
      }
    warp_reduce<Sum>(counts, lane);
  }
#pragma unroll
  for (int i = 0; i < N; ++i) absent[i] = static_cast<int>(counts[i]);
}

/// Four floats, which start at a multiple of 16 bytes only if `aligned`.
TFT_DEVICE float4 four(const float* from, bool aligned = true) {
  if (aligned) return *reinterpret_cast<const float4*>(from);
  return float4{from[0], from[1], from[2], from[3]};
}

/// Reads the four rows of a lane's unit from a matrix of 4 H rows in ONNX's order i, o, f, c, and returns
/// them as i, f, g, o.
TFT_DEVICE void gate_rows(float (&rows)[4][kWarp], const float* matrix, int stride, int lane) {
  const bool aligned = stride % 4 == 0;
#pragma unroll
  for (int gate = 0; gate < 4; ++gate) {
    const int block = gate == 0 ? 0 : gate == 1 ? 2 : gate == 2 ? 3 : 1;
    const float* const row = matrix + (block * kWarp + lane) * stride;
#pragma unroll
    for (int k = 0; k < kWarp; k += 4) {
      const float4 value = four(row + k, aligned);
      rows[gate][k] = value.x, rows[gate][k + 1] = value.y, rows[gate][k + 2] = value.z,
      rows[gate][k + 3] = value.w;
    }
  }
}

/// sums[gate] += rows[gate] · vector, with the vector in shared memory. Two partial sums per gate shorten the
/// dependency chain; o comes last, so that its sums overlap the special functions of the other gates.
TFT_DEVICE void gate_products(float (&sums)[4], const float (&rows)[4][kWarp], const float* vector) {
  float4 v[kWarp / 4];
  float other[4] = {0.f, 0.f, 0.f, 0.f};
#pragma unroll
  for (int k = 0; k < kWarp / 4; ++k) v[k] = *reinterpret_cast<const float4*>(vector + 4 * k);
#pragma unroll
  for (int part = 0; part < 2; ++part)
#pragma unroll
    for (int k = 0; k < kWarp / 4; ++k)
#pragma unroll
      for (int gate = part == 0 ? 0 : 3; gate < (part == 0 ? 3 : 4); ++gate) {
        sums[gate] = fmaf(rows[gate][4 * k], v[k].x, sums[gate]);
        other[gate] = fmaf(rows[gate][4 * k + 1], v[k].y, other[gate]);
        sums[gate] = fmaf(rows[gate][4 * k + 2], v[k].z, sums[gate]);
        other[gate] = fmaf(rows[gate][4 * k + 3], v[k].w, other[gate]);
      }
#pragma unroll
  for (int gate = 0; gate < 4; ++gate) sums[gate] += other[gate];
}

/// One step of a cell from the gates' sums. Five exponentials and two reciprocals: the three factors of c'
/// share one reciprocal, h' has another. Exponents are capped at 2^40 so that a product of three stays
/// finite, which changes less than 1e-12. A NaN stays one.
TFT_DEVICE float cell_step(float i, float f, float g, float o, float& c) {
  const float cap = 40.f;
  const float ei = exp2_fast(min_nan(-kLog2E * i, cap)), ef = exp2_fast(min_nan(-kLog2E * f, cap));
  const float eg = exp2_fast(min_nan(-2.f * kLog2E * g, cap)), eo = exp2_fast(min_nan(-kLog2E * o, cap));
  const float forget = 1.f + ef, input = (1.f + ei) * (1.f + eg);
  c = fmaf(1.f - eg, forget, c * input) * reciprocal(forget * input);
  const float ec = exp2_fast(min_nan(-2.f * kLog2E * c, cap));
  return (1.f - ec) * reciprocal((1.f + eo) * (1.f + ec));
}

/// Barriers 1 and 2 signal that a chunk's buffer is full, 3 and 4 that it may be filled again.
template <int PROJECTORS>
TFT_DEVICE void project(const RecurrenceParameters& p, float* scratch, float* ring, int projector, int lane,
                        int series) {
  constexpr int THREADS = kWarp * (1 + PROJECTORS), EACH = kChunk / PROJECTORS;
  int absent[1];
  absent_steps(absent, p, series, lane);
  int chunk = 0;
  for (int s = 0; s < 2; ++s) {
    const Sequence& q = p.sequences[s];
    if (q.steps == 0) continue;
    float rows[4][kWarp];
    gate_rows(rows, q.weight, q.weight_stride, lane);
    float bias[4];
#pragma unroll
    for (int gate = 0; gate < 4; ++gate) {
      const int block = gate == 0 ? 0 : gate == 1 ? 2 : gate == 2 ? 3 : 1;
      bias[gate] = q.bias[block * kWarp + lane] + q.bias[(4 + block) * kWarp + lane];
    }
    const float* const x = q.x + static_cast<long long>(series) * kWarp + lane;
    const long long stride = static_cast<long long>(p.batch) * kWarp;
    for (int first = s == 0 ? absent[0] : 0; first < q.steps; first += kChunk, ++chunk) {
      float in[EACH];
#pragma unroll
      for (int j = 0; j < EACH; ++j) {
        const int step = first + j * PROJECTORS + projector;
        in[j] = x[(step < q.steps ? step : q.steps - 1) * stride];
      }
      if (chunk >= 2) barrier_wait(3 + (chunk & 1), THREADS);
      float4* const out = reinterpret_cast<float4*>(ring) + (chunk & 1) * kChunk * kWarp;
#pragma unroll 1
      for (int j = 0; j < EACH; ++j) {
        float* const v = scratch + (j & 1) * kWarp;
        float mine = in[0];
#pragma unroll
        for (int i = 1; i < EACH; ++i) mine = j == i ? in[i] : mine;
        v[lane] = mine;
        sync_warp();
        float sums[4] = {bias[0], bias[1], bias[2], bias[3]};
        gate_products(sums, rows, v);
        out[(j * PROJECTORS + projector) * kWarp + lane] = float4{sums[0], sums[1], sums[2], sums[3]};
      }
      barrier_arrive(1 + (chunk & 1), THREADS);
    }
  }
}

template <int PROJECTORS>
TFT_DEVICE void recur(const RecurrenceParameters& p, float* memory) {
  constexpr int THREADS = kWarp * (1 + PROJECTORS);
  const int thread = opaque(thread_index()), lane = thread % kWarp, warp = thread / kWarp,
            series = block_index();
  float* const vectors = memory + warp * 2 * kWarp;
  float* const ring = memory + (1 + PROJECTORS) * 2 * kWarp;
  if (warp > 0) return project<PROJECTORS>(p, vectors, ring, warp - 1, lane, series);

  float h = p.hidden[series * kWarp + lane], c = p.cell[series * kWarp + lane];
  int absent[1];
  absent_steps(absent, p, series, lane);
  const int chunks =
      (p.sequences[0].steps - absent[0] + kChunk - 1) / kChunk + (p.sequences[1].steps + kChunk - 1) / kChunk;
  int chunk = 0, flip = 0;
  vectors[lane] = h;
  for (int s = 0; s < 2; ++s) {
    const Sequence& q = p.sequences[s];
    if (q.steps == 0) continue;
    float rows[4][kWarp];
    gate_rows(rows, q.recurrence, kWarp, lane);
    float* y = q.y + static_cast<long long>(series) * kWarp + lane;
    const long long stride = static_cast<long long>(p.batch) * kWarp;
    const int begin = s == 0 ? absent[0] : 0;
    for (int step = 0; step < begin; ++step, y += stride) *y = 0.f;
    for (int first = begin; first < q.steps; first += kChunk, ++chunk) {
      const int steps = q.steps - first < kChunk ? q.steps - first : kChunk;
      barrier_wait(1 + (chunk & 1), THREADS);
      const float4* x = reinterpret_cast<const float4*>(ring) + (chunk & 1) * kChunk * kWarp + lane;
#pragma unroll 1
      for (int j = 0; j < steps; ++j) {
        sync_warp();
        const float4 in = *x;
        float sums[4] = {in.x, in.y, in.z, in.w};
        gate_products(sums, rows, vectors + flip);
        flip ^= kWarp;
        x += kWarp;
        h = cell_step(sums[0], sums[1], sums[2], sums[3], c);
        vectors[flip + lane] = h;
        *y = h;
        y += stride;
      }
      if (chunk + 2 < chunks) barrier_arrive(3 + (chunk & 1), THREADS);
    }
  }
  if (p.last_hidden != nullptr) p.last_hidden[series * kWarp + lane] = h;
  if (p.last_cell != nullptr) p.last_cell[series * kWarp + lane] = c;
}

}  // namespace tft::plugins

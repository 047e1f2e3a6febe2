// The temporal fusion decoder in two launches, H = 32: from the recurrence's output to the network's output.
//
//   enrich:  local = LayerNorm(skip + GLU(recurrent)), enriched = GRN(local, static context); writes the keys
//   and
//            values of all steps and the queries of the future steps to the workspace.
//   attend:  interpretable multi-head attention (the heads share their values and are averaged), then the
//   gates and
//            networks after it, and the map to the quantiles.
//
// A lane is a hidden unit; a warp computes several rows at once, so that each weight is read once for all of
// them.
#pragma once

#include "device.h"
#include "parameters.h"
#include "variable_selection.cuh"

namespace tft::plugins {

/// out[r] += in[r] · weight[:, column] over `inputs` units; `columns` holds the rows' units as [unit][ROWS].
template <int ROWS>
TFT_DEVICE void map_rows(const float* columns, int inputs, const float* weight, int outputs, int column,
                         float (&out)[ROWS]) {
#pragma unroll 8
  for (int k = 0; k < inputs; ++k) {
    float in[ROWS];
    read_column<ROWS>(columns + k * kColumn<ROWS>, in);
    const float w = weight[k * outputs + column];
#pragma unroll
    for (int r = 0; r < ROWS; ++r) out[r] = fmaf(in[r], w, out[r]);
  }
}

/// Transposes the rows of all lanes into columns.
template <int ROWS>
TFT_DEVICE void share_rows(const float (&rows)[ROWS], float* columns, int lane) {
  sync_warp();
  write_column<ROWS>(columns + lane * kColumn<ROWS>, rows);
  sync_warp();
}

/// LayerNorm(skip - value * sigmoid(gate)) of `columns`; `weight` is the gate's, in shared memory.
template <int ROWS>
TFT_DEVICE void gated_sum(const GatedSum& gate, const float* weight, const float* columns, int inputs,
                          int lane, float epsilon, const float (&skip)[ROWS], float (&out)[ROWS]) {
  float values[ROWS], gates[ROWS];
  const float value_bias = gate.bias[lane], gate_bias = gate.bias[kWarp + lane];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) values[r] = value_bias, gates[r] = gate_bias;
#pragma unroll 8
  for (int k = 0; k < inputs; ++k) {
    float in[ROWS];
    read_column<ROWS>(columns + k * kColumn<ROWS>, in);
    const float to_value = weight[k * 2 * kWarp + lane], to_gate = weight[k * 2 * kWarp + kWarp + lane];
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      values[r] = fmaf(in[r], to_value, values[r]);
      gates[r] = fmaf(in[r], to_gate, gates[r]);
    }
  }
#pragma unroll
  for (int r = 0; r < ROWS; ++r) out[r] = fmaf(-values[r], sigmoid(gates[r]), skip[r]);
  layer_norm<ROWS>(out, lane, true, 1.f / kWarp, epsilon);
  const float scale = gate.norm_weight[lane], shift = gate.norm_bias[lane];
#pragma unroll
  for (int r = 0; r < ROWS; ++r) out[r] = fmaf(out[r], scale, shift);
}

template <int ROWS>
TFT_DEVICE void enrich(const EnrichmentParameters& p, float* memory) {
  const int lane = thread_index() % kWarp, warp = thread_index() / kWarp, warps = block_threads() / kWarp;
  float* next = memory;
  const float* const after_recurrent = keep(next, p.after_recurrent.weight, 2 * kSquare);
  const float* const context_weight = keep(next, p.context_weight, kSquare);
  const float* const expand = keep(next, p.expand_weight, kSquare);
  const float* const enrichment = keep(next, p.enrichment.weight, 2 * kSquare);
  const float* const query = keep(next, p.query_weight, kSquare);
  const float* const key = keep(next, p.key_weight, kSquare);
  const float* const value = keep(next, p.value_weight, kWarp * p.head_size);
  float* const columns = next + warp * kEnrichmentWarpFloats<ROWS>;
  wait_for_copies();
  sync_block();

  const int steps = p.past_steps + p.future_steps;
  const int groups = p.batch * ((steps + ROWS - 1) / ROWS);
  for (int index = block_index() * warps + warp; index < groups; index += grid_blocks() * warps) {
    const RowGroup group = row_group<ROWS>(index, p.batch);
    float in[ROWS], skip[ROWS], local[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      const int step = group.first + r < steps ? group.first + r : steps - 1;
      const long long place = (static_cast<long long>(step) * p.batch + group.series) * kWarp + lane;
      in[r] = p.recurrent[place];
      skip[r] = step < p.past_steps
                    ? p.past[place]
                    : p.future[place - static_cast<long long>(p.past_steps) * p.batch * kWarp];
    }
    share_rows<ROWS>(in, columns, lane);
    gated_sum<ROWS>(p.after_recurrent, after_recurrent, columns, kWarp, lane, p.epsilon, skip, local);

    const float mine = p.context[group.series * kWarp + lane];
    float from_context = p.expand_bias[lane];
#pragma unroll 8
    for (int k = 0; k < kWarp; ++k)
      from_context = fmaf(shuffle(mine, k), context_weight[k * kWarp + lane], from_context);
    share_rows<ROWS>(local, columns, lane);
    float hidden[ROWS], enriched[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; ++r) hidden[r] = from_context;
    map_rows<ROWS>(columns, kWarp, expand, kWarp, lane, hidden);
#pragma unroll
    for (int r = 0; r < ROWS; ++r) hidden[r] = elu(hidden[r]);
    share_rows<ROWS>(hidden, columns, lane);
    gated_sum<ROWS>(p.enrichment, enrichment, columns, kWarp, lane, p.epsilon, local, enriched);

    share_rows<ROWS>(enriched, columns, lane);
    float keys[ROWS], values[ROWS];
    const bool has_value = lane < p.head_size;
#pragma unroll
    for (int r = 0; r < ROWS; ++r)
      keys[r] = p.key_bias[lane], values[r] = has_value ? p.value_bias[lane] : 0.f;
    map_rows<ROWS>(columns, kWarp, key, kWarp, lane, keys);
    if (has_value) map_rows<ROWS>(columns, kWarp, value, p.head_size, lane, values);
    const int head = lane / p.head_size, within = lane % p.head_size, heads = kWarp / p.head_size;
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      const int step = group.first + r;
      if (step >= steps) continue;
      p.keys[((static_cast<long long>(group.series) * heads + head) * steps + step) * p.head_size + within] =
          keys[r];
      if (has_value)
        p.values[(static_cast<long long>(group.series) * steps + step) * p.head_size + lane] = values[r];
    }
    if (group.first + ROWS <= p.past_steps) continue;
    float queries[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; ++r) queries[r] = p.query_bias[lane];
    map_rows<ROWS>(columns, kWarp, query, kWarp, lane, queries);
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      const int future = group.first + r - p.past_steps;
      if (future < 0 || future >= p.future_steps) continue;
      const long long place = (static_cast<long long>(group.series) * p.future_steps + future) * kWarp + lane;
      p.queries[place] = queries[r];
      p.local[place] = local[r];
      p.enriched[place] = enriched[r];
    }
  }
}

/// KEYS: the keys of one head in a lane's registers; 32 KEYS is at least the number of steps. D: the head's
/// size. PARTS: the number of warps that share the heads of the same queries, if there are fewer queries than
/// warps.
template <int KEYS, int D, int PARTS>
TFT_DEVICE void attend(const AttentionParameters& p, float* memory) {
  static_assert(D % 4 == 0 && kWarp % D == 0 && kWarp / D % PARTS == 0);
  constexpr int HEADS = kWarp / D, Q = kQueries;
  const int lane = thread_index() % kWarp, warp = thread_index() / kWarp, warps = block_threads() / kWarp;
  const int part = warp % PARTS, at_once = warps / PARTS * Q;
  const int series = block_index(), steps = p.past_steps + p.future_steps;
  float* next = memory;
  const float* const keys =
      keep(next, p.keys + static_cast<long long>(series) * steps * kWarp, steps * kWarp);
  const float* const values = keep(next, p.values + static_cast<long long>(series) * steps * D, steps * D);
  const float* const after_attention = keep(next, p.after_attention.weight, D * 2 * kWarp);
  const float* const expand = keep(next, p.expand_weight, kSquare);
  const float* const position_wise = keep(next, p.position_wise.weight, 2 * kSquare);
  const float* const before_output = keep(next, p.before_output.weight, 2 * kSquare);
  const float* const output = keep(next, p.output_weight, kWarp * p.quantiles);
  float* const sums_of_parts = next + warp / PARTS * PARTS * kAttentionWarpFloats;
  float* const columns = next + warp * kAttentionWarpFloats;
  wait_for_copies();
  sync_block();

  const int begin = block_row() * p.query_tile;
  const int end = begin + p.query_tile < p.future_steps ? begin + p.query_tile : p.future_steps;
  for (int pass = begin; pass < end; pass += at_once) {
    const int first = pass + warp / PARTS * Q;
    const float* from[Q];  // the queries' rows; those after the last repeat it
#pragma unroll
    for (int q = 0; q < Q; ++q) {
      const int query = first + q < end ? first + q : end - 1;
      from[q] = p.queries + (static_cast<long long>(series) * p.future_steps + query) * kWarp;
    }
    // Bit j: whether the query attends to key 32 j + lane: the past, and the forecast steps before it.
    unsigned attends[Q];
#pragma unroll
    for (int q = 0; q < Q; ++q) {
      attends[q] = 0;
      const int last = p.causal ? p.past_steps + first + q : steps;
#pragma unroll
      for (int j = 0; j < KEYS; ++j) {
        const int step = j * kWarp + lane;
        if (step < steps && step < last) attends[q] |= 1U << j;
      }
    }
    float mean[Q][KEYS];  // the heads' mean of the attention's weights, times the number of heads
#pragma unroll
    for (int q = 0; q < Q; ++q)
#pragma unroll
      for (int j = 0; j < KEYS; ++j) mean[q][j] = 0.f;
#pragma unroll 1
    for (int head = part * (HEADS / PARTS); head < (part + 1) * (HEADS / PARTS); ++head) {
      float query[Q][D], scores[Q][KEYS], most[Q];
#pragma unroll
      for (int q = 0; q < Q; ++q) {
        most[q] = -3e38f;
#pragma unroll
        for (int d = 0; d < D; d += 4) {
          const float4 four = *reinterpret_cast<const float4*>(from[q] + head * D + d);
          // In units of log2, for the exponential below.
          query[q][d] = four.x * kLog2E, query[q][d + 1] = four.y * kLog2E;
          query[q][d + 2] = four.z * kLog2E, query[q][d + 3] = four.w * kLog2E;
        }
      }
#pragma unroll
      for (int j = 0; j < KEYS; ++j) {
        const int step = j * kWarp + lane;
        const bool is_step = step < steps;
        float score[Q];
#pragma unroll
        for (int q = 0; q < Q; ++q) score[q] = 0.f;
#pragma unroll
        for (int d = 0; d < D; d += 4) {
          const float4 key =
              *reinterpret_cast<const float4*>(keys + (head * steps + (is_step ? step : 0)) * D + d);
#pragma unroll
          for (int q = 0; q < Q; ++q) {
            score[q] = fmaf(query[q][d], key.x, score[q]);
            score[q] = fmaf(query[q][d + 1], key.y, score[q]);
            score[q] = fmaf(query[q][d + 2], key.z, score[q]);
            score[q] = fmaf(query[q][d + 3], key.w, score[q]);
          }
        }
#pragma unroll
        for (int q = 0; q < Q; ++q) {
          scores[q][j] = attends[q] & (1U << j) ? score[q] : -3e38f;
          most[q] = max_nan(most[q], scores[q][j]);
        }
      }
      warp_reduce<Maximum>(most, lane);
      float sums[Q];
#pragma unroll
      for (int q = 0; q < Q; ++q) {
        sums[q] = 0.f;
#pragma unroll
        for (int j = 0; j < KEYS; ++j) {
          scores[q][j] = exp2_fast(scores[q][j] - most[q]);
          sums[q] += scores[q][j];
        }
      }
      warp_reduce<Sum>(sums, lane);
#pragma unroll
      for (int q = 0; q < Q; ++q) {
        const float inverse = reciprocal(sums[q]);
#pragma unroll
        for (int j = 0; j < KEYS; ++j) mean[q][j] = fmaf(scores[q][j], inverse, mean[q][j]);
      }
    }
    float attended[Q][D];
#pragma unroll
    for (int q = 0; q < Q; ++q)
#pragma unroll
      for (int d = 0; d < D; ++d) attended[q][d] = 0.f;
#pragma unroll
    for (int j = 0; j < KEYS; ++j) {
      const int step = j * kWarp + lane;
      const bool is_step = step < steps;
#pragma unroll
      for (int d = 0; d < D; d += 4) {
        const float4 v = *reinterpret_cast<const float4*>(values + (is_step ? step : 0) * D + d);
#pragma unroll
        for (int q = 0; q < Q; ++q) {
          const float weight = is_step ? mean[q][j] : 0.f;
          attended[q][d] = fmaf(weight, v.x, attended[q][d]);
          attended[q][d + 1] = fmaf(weight, v.y, attended[q][d + 1]);
          attended[q][d + 2] = fmaf(weight, v.z, attended[q][d + 2]);
          attended[q][d + 3] = fmaf(weight, v.w, attended[q][d + 3]);
        }
      }
    }
#pragma unroll
    for (int q = 0; q < Q; ++q) warp_reduce<Sum>(attended[q], lane);

    // One value a lane: lane q D + d has unit d of query q.
    float mine = 0.f;
#pragma unroll
    for (int q = 0; q < Q; ++q)
#pragma unroll
      for (int d = 0; d < D; ++d) mine = lane == q * D + d ? attended[q][d] * (1.f / HEADS) : mine;
    if (PARTS > 1) {
      sync_block();
      if (lane < Q * D) sums_of_parts[part * kAttentionWarpFloats + lane] = mine;
      sync_block();
      if (part > 0) continue;
      if (lane < Q * D)
#pragma unroll
        for (int i = 1; i < PARTS; ++i) mine += sums_of_parts[i * kAttentionWarpFloats + lane];
    }
    sync_warp();
    if (lane < Q * D) columns[lane % D * Q + lane / D] = mine;
    float local[Q], enriched[Q], rows[Q], hidden[Q], skip[Q];
#pragma unroll
    for (int q = 0; q < Q; ++q) {
      const int query = first + q < end ? first + q : end - 1;
      const long long place = (static_cast<long long>(series) * p.future_steps + query) * kWarp + lane;
      local[q] = p.local[place], enriched[q] = p.enriched[place];
    }
    sync_warp();
    gated_sum<Q>(p.after_attention, after_attention, columns, D, lane, p.epsilon, enriched, rows);
    share_rows<Q>(rows, columns, lane);
#pragma unroll
    for (int q = 0; q < Q; ++q) hidden[q] = p.expand_bias[lane];
    map_rows<Q>(columns, kWarp, expand, kWarp, lane, hidden);
#pragma unroll
    for (int q = 0; q < Q; ++q) hidden[q] = elu(hidden[q]), skip[q] = rows[q];
    share_rows<Q>(hidden, columns, lane);
    gated_sum<Q>(p.position_wise, position_wise, columns, kWarp, lane, p.epsilon, skip, rows);
    share_rows<Q>(rows, columns, lane);
    gated_sum<Q>(p.before_output, before_output, columns, kWarp, lane, p.epsilon, local, hidden);
    share_rows<Q>(hidden, columns, lane);
    if (lane < p.quantiles) {
#pragma unroll
      for (int q = 0; q < Q; ++q) rows[q] = p.output_bias[lane];
      map_rows<Q>(columns, kWarp, output, p.quantiles, lane, rows);
#pragma unroll
      for (int q = 0; q < Q; ++q)
        if (first + q < end)
          p.out[(static_cast<long long>(first + q) * p.batch + series) * p.quantiles + lane] = rows[q];
    }
  }
}

}  // namespace tft::plugins

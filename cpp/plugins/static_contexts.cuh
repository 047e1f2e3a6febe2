// The four gated residual networks that read the static embedding, in one launch. A block is a series, a warp
// a network, a lane a hidden unit (H = 32).
//
//   out[n] = LayerNorm(value * sigmoid(gate) + static), value and gate from ELU(static E[n] + e[n])
#pragma once

#include "device.h"
#include "parameters.h"

namespace tft::plugins {

TFT_DEVICE void static_contexts(const StaticContextsParameters& p, float* memory) {
  const int lane = thread_index() % kWarp, network = thread_index() / kWarp;
  float* const hidden = memory + network * kWarp;
  const int square = network * kWarp * kWarp, row = network * kWarp + lane;
  for (int series = block_index(); series < p.batch; series += grid_blocks()) {
    const float mine = p.static_input[series * kWarp + lane];
    float sum = p.expand_bias[row];
#pragma unroll
    for (int k = 0; k < kWarp; ++k) sum = fmaf(shuffle(mine, k), p.expand[square + k * kWarp + lane], sum);
    sync_warp();
    hidden[lane] = elu(sum);
    sync_warp();
    float value = p.value_bias[row], gate = p.gate_bias[row];
#pragma unroll
    for (int k = 0; k < kWarp; ++k) {
      value = fmaf(hidden[k], p.value[square + k * kWarp + lane], value);
      gate = fmaf(hidden[k], p.gate[square + k * kWarp + lane], gate);
    }
    float out[1] = {fmaf(value, sigmoid(gate), mine)};
    layer_norm<1>(out, lane, true, 1.f / kWarp, p.epsilon);
    p.out[network][series * kWarp + lane] = fmaf(out[0], p.norm_weight[row], p.norm_bias[row]);
  }
}

}  // namespace tft::plugins

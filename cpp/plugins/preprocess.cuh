// Converts raw inputs to the network's inputs in one launch. A series has one block, or several that share
// its steps and each compute the target's scale.
//
//   the target     transformed, then scaled by the mean and the standard deviation of its window, or of the
//                  window's last steps; the scale has a floor
//   other metrics  (x - mean) * factor
//   lags           the scaled target some steps before each step of the horizon
//   time features  of the past, counted back from the horizon
//   (python/src/tft_export/graph/past_time_features.py)
//
// The outputs have their time axis first.
#pragma once

#include "device.h"
#include "parameters.h"

namespace tft::plugins {

constexpr float kEpsilon = 1.1920928955078125e-07f;  // float32's, as pytorch-forecasting adds it

/// log(exp(y) - 1): y + log(1 - exp(-u)) with u = y + epsilon, and 1 - exp(-u) = 2 t / (1 + t), t = tanh(u /
/// 2), which keeps the digits of a small u.
TFT_DEVICE float inverse_softplus(float y) {
  if (y > 20.f) return y;
  const float t = tanh_exact((y + kEpsilon) * 0.5f);
  return y + log_exact(2.f * t / (1.f + t));
}

/// The sum over a block, in every thread. `memory` holds a float for each warp.
TFT_DEVICE float block_sum(float value, float* memory) {
  float sums[1] = {value};
  warp_reduce<Sum>(sums, thread_index() % kWarp);
  sync_block();
  if (thread_index() % kWarp == 0) memory[thread_index() / kWarp] = sums[0];
  sync_block();
  float sum = 0.f;
  for (int warp = 0; warp < block_threads() / kWarp; ++warp) sum += memory[warp];
  return sum;
}

/// The mean of the last `length` values, in every thread. Synchronises the block first.
TFT_DEVICE float tail_mean(const float* values, int steps, int length, float* memory) {
  sync_block();
  float sum = 0.f;
  for (int step = steps - length + thread_index(); step < steps; step += block_threads()) sum += values[step];
  return block_sum(sum, memory) / static_cast<float>(length);
}

TFT_DEVICE float wrapped(float value, float modulus) {
  return value - floorf((value + 0.5f) / modulus) * modulus;
}

TFT_DEVICE void preprocess(const PreprocessParameters& p, float* memory) {
  const int series = block_index(), part = block_row(), parts = grid_rows();
  const auto share = [&](int count, int which) { return count * which / parts; };
  float* const target = memory + block_threads() / kWarp;  // [past]
  const long long rows = static_cast<long long>(series) * p.past_steps;
  const float* const past = p.encoder_cont + rows * p.metrics;
  const float* const future = p.decoder_cont + static_cast<long long>(series) * p.future_steps * p.known;

  for (int step = thread_index(); step < p.past_steps; step += block_threads()) {
    const float raw = past[step * p.metrics + p.target];
    target[step] = p.softplus ? inverse_softplus(raw) : raw;
  }
  const float mean = tail_mean(target, p.past_steps, p.scale_length, memory);
  const float center =
      p.center_length == p.scale_length ? mean : tail_mean(target, p.past_steps, p.center_length, memory);
  float squares = 0.f;
  for (int step = p.past_steps - p.scale_length + thread_index(); step < p.past_steps;
       step += block_threads()) {
    const float deviation = target[step] - mean;
    squares = fmaf(deviation, deviation, squares);
  }
  const float deviation =
      square_root(block_sum(squares, memory) / static_cast<float>(p.scale_length - 1)) + kEpsilon;
  const float scale = max_nan(deviation, p.floor);
  if (part == 0 && thread_index() == 0) {
    p.center[series] = center;
    p.scale[series] = scale;
    if (p.static_pair != nullptr) p.static_pair[2 * series] = center, p.static_pair[2 * series + 1] = scale;
    for (int i = 0; i < p.static_codes; ++i)
      p.static_out[i][series] = p.encoder_cat[rows * p.categories + p.static_code[i]];
  }

  // Of the first hour's worth of steps, count those in the next hour: the horizon begins that many steps past
  // the hour.
  float begin = 0.f;
  if (p.hour >= 0) {
    const float first = future[p.hour];
    if (p.steps_per_hour > 1) {
      float later = 0.f;
      for (int step = 0; step < p.steps_per_hour; ++step) {
        const float difference = future[step * p.known + p.hour] - first;
        later += fminf(difference * difference, 1.f);
      }
      begin = fmaf(first, static_cast<float>(p.steps_per_hour), later);
    } else {
      begin = first;
    }
  }
  const float first_day = p.day >= 0 ? future[p.day] : 0.f,
              first_month = p.month >= 0 ? future[p.month] : 0.f;
  const int reals = 1 + p.others, width = reals + p.features;
  const int first_step = share(p.past_steps, part), last_step = share(p.past_steps, part + 1);
  for (int i = first_step * width + thread_index(); i < last_step * width; i += block_threads()) {
    const int step = i / width, column = i % width;
    float value = 0.f;
    if (column == 0) {
      value = (target[step] - center) / scale;
    } else if (column < reals) {
      value = (past[step * p.metrics + p.other[column - 1]] - p.mean[column - 1]) * p.factor[column - 1];
    } else {
      const float back = static_cast<float>((p.past_steps - step) * p.hours_per_step);
      const float count = p.steps_per_hour > 1
                              ? floorf((begin - back + 0.5f) / static_cast<float>(p.steps_per_hour))
                              : begin - back;
      const float days = floorf((count + 0.5f) / 24.f);
      const float weekday = wrapped(first_day + days, 7.f);
      const int feature = p.feature[column - reals];
      value = feature == HOUR          ? count - days * 24.f
              : feature == DAY_OF_WEEK ? weekday
              : feature == MONTH       ? first_month
                                       : fminf(fmaxf(weekday - 4.f, 0.f), 1.f);
    }
    p.encoder[(static_cast<long long>(step) * p.batch + series) * width + column] = value;
  }
  const int ahead = p.known + p.lags, last_ahead = share(p.future_steps, part + 1) * ahead;
  for (int i = share(p.future_steps, part) * ahead + thread_index(); i < last_ahead; i += block_threads()) {
    const int step = i / ahead, column = i % ahead;
    p.decoder[(static_cast<long long>(step) * p.batch + series) * ahead + column] =
        column < p.known ? future[step * p.known + column]
                         : (target[p.past_steps + step - p.lag[column - p.known]] - center) / scale;
  }
  for (int code = 0; code < p.encoder_codes; ++code)
    for (int step = first_step + thread_index(); step < last_step; step += block_threads())
      p.encoder_out[code][static_cast<long long>(step) * p.batch + series] =
          p.encoder_cat[(rows + step) * p.categories + p.encoder_code[code]];
}

}  // namespace tft::plugins

#include "cpu/preprocess.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tft::cpu {
namespace {

using plugins::PreprocessParameters;

constexpr float kEpsilon = std::numeric_limits<float>::epsilon();  // as pytorch-forecasting adds it

/// log(exp(y) - 1), which keeps the digits of a small y.
float inverse_softplus(float y) {
  if (y > 20.f) return y;
  const float t = std::tanh((y + kEpsilon) * 0.5f);
  return y + std::log(2.f * t / (1.f + t));
}

double tail_mean(const float* values, int steps, int length) {
  double sum = 0;
  for (int step = steps - length; step < steps; ++step) sum += values[step];
  return sum / length;
}

float wrapped(float value, float modulus) { return value - std::floor((value + 0.5f) / modulus) * modulus; }

/// The steps since midnight before which the horizon begins: of the first hour's worth of steps, those in the
/// next hour are counted.
float begin_of_horizon(const PreprocessParameters& p, const float* future) {
  if (p.hour < 0) return 0.f;
  const float first = future[p.hour];
  if (p.steps_per_hour <= 1) return first;
  float later = 0.f;
  for (int step = 0; step < p.steps_per_hour; ++step) {
    const float difference = future[step * p.known + p.hour] - first;
    later += std::min(difference * difference, 1.f);
  }
  return first * static_cast<float>(p.steps_per_hour) + later;
}

float time_feature(const PreprocessParameters& p, int feature, int step, float begin, const float* future) {
  const float back = static_cast<float>((p.past_steps - step) * p.hours_per_step);
  const float count = p.steps_per_hour > 1
                          ? std::floor((begin - back + 0.5f) / static_cast<float>(p.steps_per_hour))
                          : begin - back;
  const float days = std::floor((count + 0.5f) / 24.f);
  const float weekday = wrapped((p.day >= 0 ? future[p.day] : 0.f) + days, 7.f);
  switch (feature) {
    case plugins::HOUR:
      return count - days * 24.f;
    case plugins::DAY_OF_WEEK:
      return weekday;
    case plugins::MONTH:
      return p.month >= 0 ? future[p.month] : 0.f;
    default:
      return std::min(std::max(weekday - 4.f, 0.f), 1.f);
  }
}

}  // namespace

void preprocess_series(const PreprocessParameters& p, int series, float* target) {
  const auto batch = static_cast<long long>(p.batch);
  const long long rows = static_cast<long long>(series) * p.past_steps;
  const float* const past = p.encoder_cont + rows * p.metrics;
  const float* const future = p.decoder_cont + static_cast<long long>(series) * p.future_steps * p.known;

  for (int step = 0; step < p.past_steps; ++step) {
    const float raw = past[step * p.metrics + p.target];
    target[step] = p.softplus != 0 ? inverse_softplus(raw) : raw;
  }
  const double mean = tail_mean(target, p.past_steps, p.scale_length);
  const auto center = static_cast<float>(
      p.center_length == p.scale_length ? mean : tail_mean(target, p.past_steps, p.center_length));
  double squares = 0;
  for (int step = p.past_steps - p.scale_length; step < p.past_steps; ++step) {
    const double deviation = target[step] - mean;
    squares += deviation * deviation;
  }
  const float deviation = static_cast<float>(std::sqrt(squares / (p.scale_length - 1))) + kEpsilon;
  // A NaN stays one.
  const float scale = deviation < p.floor ? p.floor : deviation;
  p.center[series] = center;
  p.scale[series] = scale;
  if (p.static_pair != nullptr) p.static_pair[2 * series] = center, p.static_pair[2 * series + 1] = scale;
  for (int i = 0; i < p.static_codes; ++i)
    p.static_out[i][series] = p.encoder_cat[rows * p.categories + p.static_code[i]];

  const float begin = begin_of_horizon(p, future);
  const int width = 1 + p.others + p.features;
  for (int step = 0; step < p.past_steps; ++step) {
    float* const out = p.encoder + (step * batch + series) * width;
    out[0] = (target[step] - center) / scale;
    for (int i = 0; i < p.others; ++i)
      out[1 + i] = (past[step * p.metrics + p.other[i]] - p.mean[i]) * p.factor[i];
    for (int i = 0; i < p.features; ++i)
      out[1 + p.others + i] = time_feature(p, p.feature[i], step, begin, future);
  }
  const int ahead = p.known + p.lags;
  for (int step = 0; step < p.future_steps; ++step) {
    float* const out = p.decoder + (step * batch + series) * ahead;
    for (int i = 0; i < p.known; ++i) out[i] = future[step * p.known + i];
    for (int i = 0; i < p.lags; ++i)
      out[p.known + i] = (target[p.past_steps + step - p.lag[i]] - center) / scale;
  }
  for (int code = 0; code < p.encoder_codes; ++code)
    for (int step = 0; step < p.past_steps; ++step)
      p.encoder_out[code][step * batch + series] =
          p.encoder_cat[(rows + step) * p.categories + p.encoder_code[code]];
}

}  // namespace tft::cpu

// The model that libnvinfer's double runs: a weighted sum over all inputs of a row. The weights differ
// between elements, so that a wrong, stale or padded row or a missing copy changes every output.
//
// x[i][j] is element j of input i of the row; the arithmetic is float64, and sums run from the left:
//   s[i]   = Σ_j x[i][j] · ((37 j + 101 i + 13 seed) mod 64 + 1) / 64
//   out[k] = float32( Σ_i s[i] · ((7 k + 3 i + seed) mod 16 + 1) / 16 )
#pragma once
#include <cstddef>
#include <cstdint>

namespace doubles {

template <class T>
double weighted_sum(const T* x, std::size_t count, std::size_t input, std::uint32_t seed) {
  double sum = 0;
  for (std::size_t j = 0; j < count; ++j) {
    const std::size_t weight = (37 * j + 101 * input + 13 * std::size_t{seed}) % 64 + 1;
    sum += static_cast<double>(x[j]) * (static_cast<double>(weight) / 64);
  }
  return sum;
}

inline float mix(const double* sums, std::size_t inputs, std::size_t k, std::uint32_t seed) {
  double sum = 0;
  for (std::size_t i = 0; i < inputs; ++i) {
    sum += sums[i] * (static_cast<double>((7 * k + 3 * i + seed) % 16 + 1) / 16);
  }
  return static_cast<float>(sum);
}

}  // namespace doubles

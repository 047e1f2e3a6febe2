#include "cpu/kernels.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <mutex>
#include <new>
#include <vector>

#include "cpu/functions.h"
#include "cpu/preprocess.h"

namespace tft::cpu {
namespace {

using namespace plugins;

constexpr std::align_val_t kAlignment{64};

/// Uninitialized memory for one call. Null if there is none.
class Scratch {
 public:
  explicit Scratch(std::size_t floats)
      : memory_(static_cast<float*>(::operator new(floats * sizeof(float), kAlignment, std::nothrow))) {}
  ~Scratch() { ::operator delete(memory_, kAlignment); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  float* get() const { return memory_; }

 private:
  float* const memory_;
};

/// The weights of both LSTMs in the order that the kernels read them.
class Weights {
 public:
  Weights(const RecurrenceParameters& p, int width) {
    const auto hidden = static_cast<std::size_t>(p.hidden_size);
    const std::size_t padded = (hidden + static_cast<std::size_t>(width) - 1) /
                               static_cast<std::size_t>(width) * static_cast<std::size_t>(width);
    const std::size_t matrix = hidden * 4 * padded, each = 2 * matrix + 4 * padded;
    memory_.resize(2 * each + 16);
    float* next = memory_.data();
    while (reinterpret_cast<std::uintptr_t>(next) % static_cast<std::size_t>(kAlignment) != 0) ++next;
    for (std::size_t q = 0; q < 2; ++q, next += each) {
      const Sequence& s = p.sequences[q];
      if (s.steps == 0) continue;
      packed_[q] = {next, next + matrix, next + 2 * matrix};
      const auto lanes = static_cast<std::size_t>(width);
      for (std::size_t gate = 0; gate < 4; ++gate) {
        // ONNX has i, o, f, c.
        const std::size_t part = std::array<std::size_t, 4>{0, 2, 3, 1}[gate];
        for (std::size_t unit = 0; unit < hidden; ++unit) {
          const std::size_t row = part * hidden + unit, block = unit / lanes, lane = unit % lanes;
          const float* const weight = s.weight + row * static_cast<std::size_t>(s.weight_stride);
          const float* const recurrence = s.recurrence + row * hidden;
          for (std::size_t k = 0; k < hidden; ++k) {
            const std::size_t to = ((block * hidden + k) * 4 + gate) * lanes + lane;
            next[to] = weight[k];
            next[matrix + to] = recurrence[k];
          }
          next[2 * matrix + (block * 4 + gate) * lanes + lane] =
              s.bias[part * hidden + unit] + s.bias[(4 + part) * hidden + unit];
        }
      }
    }
  }

  const PackedLstm* packed() const { return packed_.data(); }

 private:
  std::vector<float> memory_;
  std::array<PackedLstm, 2> packed_{};
};

class CpuKernels final : public Kernels {
 public:
  explicit CpuKernels(const Functions& functions) : functions_(functions) {}

  bool preprocess(const PreprocessParameters& p) override {
    Scratch target(static_cast<std::size_t>(p.past_steps));
    if (target.get() == nullptr) return false;
    for (int series = 0; series < p.batch; ++series) preprocess_series(p, series, target.get());
    return true;
  }
  bool variable_selection(const VariableSelectionParameters& p, int hidden_size, int table_rows) override {
    // The kernel looks up rows by these numbers, which no shape shows.
    float rows = 0;
    for (int i = 0; i < p.tabulated; ++i) {
      if (!(p.largest[i] >= 0)) return false;
      rows += std::floor(p.largest[i]) + 1;
    }
    if (rows > static_cast<float>(table_rows)) return false;
    Scratch scratch(functions_.selection_floats(p));
    if (scratch.get() == nullptr) return false;
    functions_.variable_selection(p, hidden_size, scratch.get());
    return true;
  }
  bool static_contexts(const StaticContextsParameters& p, int hidden_size) override {
    functions_.static_contexts(p, hidden_size);
    return true;
  }
  bool recurrence(const RecurrenceParameters& p) override {
    Scratch scratch(functions_.recurrence_floats(p));
    if (scratch.get() == nullptr) return false;
    // The weights of a node are constants, so that they are ordered once.
    std::call_once(ordered_, [&] { weights_ = std::make_unique<Weights>(p, functions_.width); });
    functions_.recurrence(p, weights_->packed(), scratch.get());
    return true;
  }
  bool decoder(const EnrichmentParameters& e, const AttentionParameters& a, int hidden_size) override {
    Scratch scratch(functions_.decoder_floats(e, hidden_size));
    if (scratch.get() == nullptr) return false;
    functions_.decoder(e, a, hidden_size, scratch.get());
    return true;
  }

 private:
  const Functions& functions_;
  std::once_flag ordered_;
  std::unique_ptr<Weights> weights_;
};

const Functions& functions_of(Level level) {
#ifdef __x86_64__
  if (level == Level::AVX512) return avx512_functions();
  if (level == Level::AVX2) return avx2_functions();
#endif
  (void)level;
  return baseline_functions();
}

}  // namespace

const char* name_of(Level level) {
  return level == Level::AVX512 ? "AVX-512" : level == Level::AVX2 ? "AVX2" : "baseline";
}

std::span<const Level> supported_levels() {
  static const std::vector<Level> levels = [] {
    std::vector<Level> all{Level::BASELINE};
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) all.push_back(Level::AVX2);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
      all.push_back(Level::AVX512);
#endif
    return all;
  }();
  return levels;
}

std::unique_ptr<Kernels> make_kernels() { return make_kernels(supported_levels().back()); }
std::unique_ptr<Kernels> make_kernels(Level level) {
  return std::make_unique<CpuKernels>(functions_of(level));
}

}  // namespace tft::cpu

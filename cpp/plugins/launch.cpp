#include "launch.h"

#include <algorithm>
#include <array>
#include <span>

#include "kernel_sizes.h"

namespace tft::plugins {
namespace {

constexpr const char* kPreprocess = "tft_preprocess";
constexpr const char* kByVariable = "tft_select_by_variable";
constexpr const char* kByRow4 = "tft_select_by_row_4";
constexpr const char* kByRow8 = "tft_select_by_row_8";
constexpr const char* kContexts = "tft_static_contexts";
constexpr const char* kRecurrence3 = "tft_recurrence_3";
constexpr const char* kRecurrence1 = "tft_recurrence_1";
constexpr const char* kEnrichFew = "tft_enrich_2";
constexpr const char* kEnrichMany = "tft_enrich_8";

/// recur_any for hidden sizes of up to `hidden`: the columns of U in registers, about how many blocks a
/// multiprocessor runs at once, and the kernels for one series a block and for four.
struct AnyRecurrence {
  int hidden, kept, blocks;
  const char* one;
  const char* four;
};
constexpr std::array kAnyRecurrence = {
    AnyRecurrence{16, 16, 8, "tft_recurrence_16_1", "tft_recurrence_16_4"},
    AnyRecurrence{64, 64, 2, "tft_recurrence_64_1", "tft_recurrence_64_4"},
    AnyRecurrence{128, 48, 1, "tft_recurrence_128_1", "tft_recurrence_128_4"}};

struct Attention {
  int keys;  // in a lane
  int head_size;
  int parts;  // of the heads, with few queries
  const char* kernel;
  const char* few;
};

#define TFT_ATTENTION(keys, size)                                                                    \
  Attention {                                                                                        \
    keys, size, size == 16 ? 2 : 4, "tft_attend_" #keys "_" #size, "tft_attend_few_" #keys "_" #size \
  }
constexpr std::array kAttention = {TFT_ATTENTION(4, 4),  TFT_ATTENTION(4, 8),  TFT_ATTENTION(4, 16),
                                   TFT_ATTENTION(12, 4), TFT_ATTENTION(12, 8), TFT_ATTENTION(12, 16),
                                   TFT_ATTENTION(24, 4), TFT_ATTENTION(24, 8), TFT_ATTENTION(24, 16)};
#undef TFT_ATTENTION

constexpr auto kKernels = [] {
  constexpr std::array others = {kPreprocess,  kByVariable,  kByRow4,    kByRow8,    kContexts,
                                 kRecurrence3, kRecurrence1, kEnrichFew, kEnrichMany};
  std::array<const char*, others.size() + 2 * kAnyRecurrence.size() + 2 * kAttention.size()> all{};
  auto next = std::copy(others.begin(), others.end(), all.begin());
  for (const AnyRecurrence& one : kAnyRecurrence) *next++ = one.one, *next++ = one.four;
  for (const Attention& one : kAttention) *next++ = one.kernel, *next++ = one.few;
  return all;
}();

int divided(int count, int by) { return (count + by - 1) / by; }
std::size_t bytes(int floats) { return static_cast<std::size_t>(floats) * sizeof(float); }

/// Whether there are enough rows (series times steps) for warps of eight rows to keep every multiprocessor
/// busy.
bool many_rows(const Launcher& launcher, int steps, int batch) {
  return static_cast<std::int64_t>(steps) * batch >= 64 * launcher.multiprocessors();
}

}  // namespace

std::span<const char* const> kernel_names() { return kKernels; }

bool launch_preprocess(Launcher& launcher, PreprocessParameters p, void* stream) {
  const int parts = std::clamp(launcher.multiprocessors() / p.batch, 1, 12);
  const Grid grid{p.batch, parts, kPreprocessThreads, bytes(preprocess_floats(p))};
  return grid.shared_bytes <= launcher.shared_limit() && launcher.launch(kPreprocess, grid, &p, stream);
}

/// Launches warps for ROWS rows each, with the weights in shared memory, in as many blocks as there are
/// multiprocessors. Returns false if the weights do not fit.
template <int ROWS>
bool select_by_row(Launcher& launcher, const char* kernel, VariableSelectionParameters& p, void* stream,
                   bool& launched) {
  const int groups = p.batch * divided(p.steps, ROWS);
  const std::size_t weights = bytes(selection_weight_floats(p)), each = bytes(selection_warp_floats<ROWS>(p));
  if (weights + 4 * each > launcher.shared_limit()) return false;
  const int most = std::min(24, static_cast<int>((launcher.shared_limit() - weights) / each));
  // At least eight warps, since they share the work of copying the weights.
  const int warps = std::clamp(divided(groups, launcher.multiprocessors()), std::min(8, most), most);
  const int blocks = std::min(groups, launcher.multiprocessors());
  launched = launcher.launch(
      kernel, {blocks, 1, warps * kWarp, weights + static_cast<std::size_t>(warps) * each}, &p, stream);
  return true;
}

bool launch_variable_selection(Launcher& launcher, VariableSelectionParameters p, void* stream) {
  bool launched = false;
  const std::int64_t rows = static_cast<std::int64_t>(p.steps) * p.batch;
  if (rows >= 4 * launcher.multiprocessors()) {
    // Eight rows per warp if that leaves enough warps to hide latency.
    const bool eight = rows >= 8 * 20 * launcher.multiprocessors();
    if (eight ? select_by_row<8>(launcher, kByRow8, p, stream, launched)
              : select_by_row<4>(launcher, kByRow4, p, stream, launched))
      return launched;
  }
  const int warps = 2 + std::clamp(p.reals, 1, 16);
  const Grid grid{p.batch * divided(p.steps, 2), 1, warps * kWarp,
                  bytes(selection_block_floats<2>(p, warps))};
  return launcher.launch(kByVariable, grid, &p, stream);
}

bool launch_static_contexts(Launcher& launcher, StaticContextsParameters p, void* stream) {
  const int blocks = std::min(p.batch, 8 * launcher.multiprocessors());
  return launcher.launch(kContexts, {blocks, 1, 4 * kWarp, bytes(4 * kWarp)}, &p, stream);
}

bool launch_any_recurrence(Launcher& launcher, RecurrenceParameters p, void* stream) {
  const auto* const kind = std::find_if(kAnyRecurrence.begin(), kAnyRecurrence.end(),
                                        [&](const auto& one) { return p.hidden_size <= one.hidden; });
  if (kind == kAnyRecurrence.end()) return false;
  const int series = p.batch > kind->blocks * launcher.multiprocessors() ? 4 : 1;
  const int rows = 4 * p.hidden_size;
  const std::size_t floats = bytes(recurrence_floats(p, kind->kept, series));
  if (floats > launcher.shared_limit()) return false;
  const auto fit = static_cast<int>((launcher.shared_limit() - floats) / bytes(4 * rows)) * 4;
  p.shared_columns = std::clamp(p.hidden_size - kind->kept, 0, fit);
  const Grid grid{divided(p.batch, series), 1, divided(rows, kWarp) * kWarp,
                  floats + bytes(p.shared_columns * rows)};
  return launcher.launch(series == 1 ? kind->one : kind->four, grid, &p, stream);
}

bool launch_recurrence(Launcher& launcher, RecurrenceParameters p, void* stream) {
  if (p.hidden_size != kWarp) return launch_any_recurrence(launcher, p, stream);
  // Three projecting warps are fastest while all blocks fit at once; with one warp, twice as many blocks fit.
  if (p.batch <= 2 * launcher.multiprocessors())
    return launcher.launch(kRecurrence3, {p.batch, 1, 4 * kWarp, bytes(kRecurrenceFloats<3>)}, &p, stream);
  return launcher.launch(kRecurrence1, {p.batch, 1, 2 * kWarp, bytes(kRecurrenceFloats<1>)}, &p, stream);
}

bool launch_enrichment(Launcher& launcher, EnrichmentParameters p, void* stream) {
  const int steps = p.past_steps + p.future_steps, warps = 8;
  const bool many = many_rows(launcher, steps, p.batch);
  const int groups = p.batch * divided(steps, many ? 8 : 2);
  const int floats =
      enrichment_weight_floats(p) + warps * (many ? kEnrichmentWarpFloats<8> : kEnrichmentWarpFloats<2>);
  const int blocks = std::min(divided(groups, warps), 4 * launcher.multiprocessors());
  return launcher.launch(many ? kEnrichMany : kEnrichFew, {blocks, 1, warps * kWarp, bytes(floats)}, &p,
                         stream);
}

const Attention* attention_for(int steps, int head_size) {
  for (const Attention& one : kAttention)
    if (one.head_size == head_size && steps <= one.keys * kWarp) return &one;
  return nullptr;
}

bool has_attention(int steps, int head_size) { return attention_for(steps, head_size) != nullptr; }

bool launch_attention(Launcher& launcher, AttentionParameters p, int head_size, void* stream) {
  const Attention* const attention = attention_for(p.past_steps + p.future_steps, head_size);
  if (attention == nullptr) return false;
  const int warps = 8;
  // A block runs its queries in passes, as many as still leave work for every multiprocessor. With few series
  // even one pass per block leaves most multiprocessors idle, so the warps share the heads.
  const bool few = p.batch * divided(p.future_steps, warps * kQueries) <= launcher.multiprocessors();
  const int at_once = warps / (few ? attention->parts : 1) * kQueries;
  const int passes = divided(p.future_steps, at_once);
  const int parts = std::clamp(divided((few ? 1 : 2) * launcher.multiprocessors(), p.batch), 1, passes);
  p.query_tile = divided(passes, parts) * at_once;
  const Grid grid{p.batch, divided(p.future_steps, p.query_tile), warps * kWarp,
                  bytes(attention_weight_floats(p, head_size) + attention_key_floats(p, head_size) +
                        warps * kAttentionWarpFloats)};
  if (grid.shared_bytes > launcher.shared_limit()) return false;
  return launcher.launch(few ? attention->few : attention->kernel, grid, &p, stream);
}

bool LaunchedKernels::preprocess(const PreprocessParameters& p) {
  return launch_preprocess(launcher_, p, stream_);
}
bool LaunchedKernels::variable_selection(const VariableSelectionParameters& p, int, int) {
  return launch_variable_selection(launcher_, p, stream_);
}
bool LaunchedKernels::static_contexts(const StaticContextsParameters& p, int) {
  return launch_static_contexts(launcher_, p, stream_);
}
bool LaunchedKernels::recurrence(const RecurrenceParameters& p) {
  return launch_recurrence(launcher_, p, stream_);
}
bool LaunchedKernels::decoder(const EnrichmentParameters& e, const AttentionParameters& a, int) {
  return launch_enrichment(launcher_, e, stream_) && launch_attention(launcher_, a, e.head_size, stream_);
}

}  // namespace tft::plugins

#include "launch.h"

#include <algorithm>
#include <array>
#include <span>

#include "kernel_sizes.h"

namespace tft::plugins {
namespace {

constexpr const char* kByVariable = "tft_select_by_variable";
constexpr const char* kByRow = "tft_select_by_row";
constexpr const char* kContexts = "tft_static_contexts";
constexpr const char* kRecurrence3 = "tft_recurrence_3";
constexpr const char* kRecurrence1 = "tft_recurrence_1";
constexpr const char* kEnrichFew = "tft_enrich_2";
constexpr const char* kEnrichMany = "tft_enrich_8";

struct Attention {
  int keys;       // in a lane
  int head_size;
  const char* kernel;
};

#define TFT_ATTENTION(keys, size) Attention{keys, size, "tft_attend_" #keys "_" #size}
constexpr std::array kAttention = {TFT_ATTENTION(4, 4),   TFT_ATTENTION(4, 8),   TFT_ATTENTION(4, 16),
                                   TFT_ATTENTION(12, 4),  TFT_ATTENTION(12, 8),  TFT_ATTENTION(12, 16),
                                   TFT_ATTENTION(24, 4),  TFT_ATTENTION(24, 8),  TFT_ATTENTION(24, 16)};
#undef TFT_ATTENTION

constexpr std::array kKernels = {
    kByVariable,           kByRow,                kContexts,             kRecurrence3,          kRecurrence1,
    kEnrichFew,            kEnrichMany,           kAttention[0].kernel,  kAttention[1].kernel,  kAttention[2].kernel,
    kAttention[3].kernel,  kAttention[4].kernel,  kAttention[5].kernel,  kAttention[6].kernel,  kAttention[7].kernel,
    kAttention[8].kernel};

int divided(int count, int by) { return (count + by - 1) / by; }
std::size_t bytes(int floats) { return static_cast<std::size_t>(floats) * sizeof(float); }

/// Whether there are so many rows (series times steps) that warps of eight each keep every multiprocessor busy.
bool many_rows(const Launcher& launcher, int steps, int batch) {
  return static_cast<std::int64_t>(steps) * batch >= 64 * launcher.multiprocessors();
}

}  // namespace

std::span<const char* const> kernel_names() { return kKernels; }

bool launch_variable_selection(Launcher& launcher, VariableSelectionParameters p, void* stream) {
  const int many_warps = 8;
  const std::size_t many_bytes = bytes(selection_weight_floats(p) + many_warps * selection_warp_floats<8>(p));
  if (many_rows(launcher, p.steps, p.batch) && many_bytes <= launcher.shared_limit()) {
    const int groups = p.batch * divided(p.steps, 8);
    const int blocks = std::min(divided(groups, many_warps), 2 * launcher.multiprocessors());
    return launcher.launch(kByRow, {blocks, 1, many_warps * kWarp, many_bytes}, &p, stream);
  }
  const int warps = 1 + std::clamp(p.reals, 1, 16);
  const Grid grid{p.batch * divided(p.steps, 2), 1, warps * kWarp, bytes(selection_block_floats<2>(p, warps))};
  return launcher.launch(kByVariable, grid, &p, stream);
}

bool launch_static_contexts(Launcher& launcher, StaticContextsParameters p, void* stream) {
  const int blocks = std::min(p.batch, 8 * launcher.multiprocessors());
  return launcher.launch(kContexts, {blocks, 1, 4 * kWarp, bytes(4 * kWarp)}, &p, stream);
}

bool launch_recurrence(Launcher& launcher, RecurrenceParameters p, void* stream) {
  // Three projecting warps are quickest while every block has a place; with one, twice as many blocks have.
  if (p.batch <= 2 * launcher.multiprocessors())
    return launcher.launch(kRecurrence3, {p.batch, 1, 4 * kWarp, bytes(kRecurrenceFloats<3>)}, &p, stream);
  return launcher.launch(kRecurrence1, {p.batch, 1, 2 * kWarp, bytes(kRecurrenceFloats<1>)}, &p, stream);
}

bool launch_enrichment(Launcher& launcher, EnrichmentParameters p, void* stream) {
  const int steps = p.past_steps + p.future_steps, warps = 8;
  const bool many = many_rows(launcher, steps, p.batch);
  const int groups = p.batch * divided(steps, many ? 8 : 2);
  const int floats = enrichment_weight_floats(p) +
                     warps * (many ? kEnrichmentWarpFloats<8> : kEnrichmentWarpFloats<2>);
  const int blocks = std::min(divided(groups, warps), 4 * launcher.multiprocessors());
  return launcher.launch(many ? kEnrichMany : kEnrichFew, {blocks, 1, warps * kWarp, bytes(floats)}, &p, stream);
}

const char* attention_kernel(int steps, int head_size) {
  for (const Attention& one : kAttention)
    if (one.head_size == head_size && steps <= one.keys * kWarp) return one.kernel;
  return nullptr;
}

bool launch_attention(Launcher& launcher, AttentionParameters p, int head_size, void* stream) {
  const char* const kernel = attention_kernel(p.past_steps + p.future_steps, head_size);
  if (kernel == nullptr) return false;
  const int warps = 8, at_once = warps * kQueries;
  // As many passes of a block over its queries as leave work for every multiprocessor.
  const int passes = divided(p.future_steps, at_once);
  const int parts = std::clamp(divided(2 * launcher.multiprocessors(), p.batch), 1, passes);
  p.query_tile = divided(passes, parts) * at_once;
  const Grid grid{p.batch, divided(p.future_steps, p.query_tile), warps * kWarp,
                  bytes(attention_weight_floats(p, head_size) + attention_key_floats(p, head_size) +
                        warps * kAttentionWarpFloats)};
  if (grid.shared_bytes > launcher.shared_limit()) return false;
  return launcher.launch(kernel, grid, &p, stream);
}

}  // namespace tft::plugins

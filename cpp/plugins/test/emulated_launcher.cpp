// Compiles the kernel sources for the CPU.
#define TFT_EMULATE
#include "plugins/test/emulated_launcher.h"

#include "plugins/kernels.cu"
#include "plugins/launch.h"
#include "plugins/test/emulator.h"

namespace tft::plugins {
namespace {

struct Entry {
  std::string_view name;
  std::function<void()> (*bind)(void* parameters);
};

template <class Parameters, void (*KERNEL)(const Parameters)>
std::function<void()> bind(void* parameters) {
  const Parameters copy = *static_cast<Parameters*>(parameters);
  return [copy] { KERNEL(copy); };
}

#define TFT_ENTRY(kernel, parameters) \
  Entry { #kernel, &bind<parameters, kernel> }
constexpr std::array kEntries = {
    TFT_ENTRY(tft_preprocess, PreprocessParameters),
    TFT_ENTRY(tft_select_by_variable, VariableSelectionParameters),
    TFT_ENTRY(tft_select_by_row_4, VariableSelectionParameters),
    TFT_ENTRY(tft_select_by_row_8, VariableSelectionParameters),
    TFT_ENTRY(tft_static_contexts, StaticContextsParameters),
    TFT_ENTRY(tft_recurrence_3, RecurrenceParameters),
    TFT_ENTRY(tft_recurrence_1, RecurrenceParameters),
    TFT_ENTRY(tft_recurrence_16_1, RecurrenceParameters),
    TFT_ENTRY(tft_recurrence_16_4, RecurrenceParameters),
    TFT_ENTRY(tft_recurrence_64_1, RecurrenceParameters),
    TFT_ENTRY(tft_recurrence_64_4, RecurrenceParameters),
    TFT_ENTRY(tft_recurrence_128_1, RecurrenceParameters),
    TFT_ENTRY(tft_recurrence_128_4, RecurrenceParameters),
    TFT_ENTRY(tft_enrich_2, EnrichmentParameters),
    TFT_ENTRY(tft_enrich_8, EnrichmentParameters),
    TFT_ENTRY(tft_attend_4_4, AttentionParameters),
    TFT_ENTRY(tft_attend_few_4_4, AttentionParameters),
    TFT_ENTRY(tft_attend_4_8, AttentionParameters),
    TFT_ENTRY(tft_attend_few_4_8, AttentionParameters),
    TFT_ENTRY(tft_attend_4_16, AttentionParameters),
    TFT_ENTRY(tft_attend_few_4_16, AttentionParameters),
    TFT_ENTRY(tft_attend_12_4, AttentionParameters),
    TFT_ENTRY(tft_attend_few_12_4, AttentionParameters),
    TFT_ENTRY(tft_attend_12_8, AttentionParameters),
    TFT_ENTRY(tft_attend_few_12_8, AttentionParameters),
    TFT_ENTRY(tft_attend_12_16, AttentionParameters),
    TFT_ENTRY(tft_attend_few_12_16, AttentionParameters),
    TFT_ENTRY(tft_attend_24_4, AttentionParameters),
    TFT_ENTRY(tft_attend_few_24_4, AttentionParameters),
    TFT_ENTRY(tft_attend_24_8, AttentionParameters),
    TFT_ENTRY(tft_attend_few_24_8, AttentionParameters),
    TFT_ENTRY(tft_attend_24_16, AttentionParameters),
    TFT_ENTRY(tft_attend_few_24_16, AttentionParameters),
};

}  // namespace

bool EmulatedLauncher::launch(const char* kernel, const Grid& grid, void* parameters, void*) {
  for (const Entry& entry : kEntries) {
    if (entry.name != kernel) continue;
    launched.emplace_back(kernel);
    emulator::launch({grid.blocks, grid.rows, grid.threads, grid.shared_bytes}, seed_,
                     entry.bind(parameters));
    return true;
  }
  return false;
}

}  // namespace tft::plugins

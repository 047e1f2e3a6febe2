// All kernels of the library, under the names by which the operators launch them.
#include "decoder.cuh"
#include "preprocess.cuh"
#include "recurrence.cuh"
#include "recurrence_any.cuh"
#include "static_contexts.cuh"
#include "variable_selection.cuh"

using namespace tft::plugins;

TFT_KERNEL(tft_preprocess, kPreprocessThreads, 1)(TFT_PARAMETERS PreprocessParameters p) {
  TFT_SHARED(memory);
  preprocess(p, memory);
}

TFT_KERNEL(tft_select_by_variable, 576, 1)(TFT_PARAMETERS VariableSelectionParameters p) {
  TFT_SHARED(memory);
  select_by_variable<2>(p, memory);
}

TFT_KERNEL(tft_select_by_row_4, 768, 1)(TFT_PARAMETERS VariableSelectionParameters p) {
  TFT_SHARED(memory);
  select_by_row<4>(p, memory);
}

TFT_KERNEL(tft_select_by_row_8, 768, 1)(TFT_PARAMETERS VariableSelectionParameters p) {
  TFT_SHARED(memory);
  select_by_row<8>(p, memory);
}

TFT_KERNEL(tft_static_contexts, 128, 1)(TFT_PARAMETERS StaticContextsParameters p) {
  TFT_SHARED(memory);
  static_contexts(p, memory);
}

TFT_KERNEL(tft_recurrence_3, 128, 2)(TFT_PARAMETERS RecurrenceParameters p) {
  TFT_SHARED(memory);
  recur<3>(p, memory);
}

TFT_KERNEL(tft_recurrence_1, 64, 4)(TFT_PARAMETERS RecurrenceParameters p) {
  TFT_SHARED(memory);
  recur<1>(p, memory);
}

#define TFT_RECUR_ANY(hidden, kept, series, blocks)            \
  TFT_KERNEL(tft_recurrence_##hidden##_##series, (4 * hidden), \
             blocks)(TFT_PARAMETERS RecurrenceParameters p) {  \
    TFT_SHARED(memory);                                        \
    recur_any<kept, series>(p, memory);                        \
  }
TFT_RECUR_ANY(16, 16, 1, 8)
TFT_RECUR_ANY(16, 16, 4, 8)
TFT_RECUR_ANY(64, 64, 1, 2)
TFT_RECUR_ANY(64, 64, 4, 2)
TFT_RECUR_ANY(128, 48, 1, 1)
TFT_RECUR_ANY(128, 48, 4, 1)

TFT_KERNEL(tft_enrich_2, 256, 2)(TFT_PARAMETERS EnrichmentParameters p) {
  TFT_SHARED(memory);
  enrich<2>(p, memory);
}

TFT_KERNEL(tft_enrich_8, 256, 3)(TFT_PARAMETERS EnrichmentParameters p) {
  TFT_SHARED(memory);
  enrich<8>(p, memory);
}

#define TFT_ATTEND(keys, size, parts)                                                        \
  TFT_KERNEL(tft_attend_##keys##_##size, 256, 2)(TFT_PARAMETERS AttentionParameters p) {     \
    TFT_SHARED(memory);                                                                      \
    attend<keys, size, 1>(p, memory);                                                        \
  }                                                                                          \
  TFT_KERNEL(tft_attend_few_##keys##_##size, 256, 1)(TFT_PARAMETERS AttentionParameters p) { \
    TFT_SHARED(memory);                                                                      \
    attend<keys, size, parts>(p, memory);                                                    \
  }
TFT_ATTEND(4, 4, 4)
TFT_ATTEND(4, 8, 4)
TFT_ATTEND(4, 16, 2)
TFT_ATTEND(12, 4, 4)
TFT_ATTEND(12, 8, 4)
TFT_ATTEND(12, 16, 2)
TFT_ATTEND(24, 4, 4)
TFT_ATTEND(24, 8, 4)
TFT_ATTEND(24, 16, 2)

// What computes the operators.
#pragma once

#include "parameters.h"

namespace tft::plugins {

/// A GPU's kernels or a CPU's. Each call returns whether it succeeded.
class Kernels {
 public:
  Kernels() = default;
  virtual ~Kernels() = default;
  Kernels(const Kernels&) = delete;
  Kernels& operator=(const Kernels&) = delete;

  virtual bool preprocess(const PreprocessParameters& p) = 0;
  /// `table_rows` are those of p.table.
  virtual bool variable_selection(const VariableSelectionParameters& p, int hidden_size, int table_rows) = 0;
  virtual bool static_contexts(const StaticContextsParameters& p, int hidden_size) = 0;
  virtual bool recurrence(const RecurrenceParameters& p) = 0;
  /// `e` and `a` are the two halves of one decoder.
  virtual bool decoder(const EnrichmentParameters& e, const AttentionParameters& a, int hidden_size) = 0;
};

}  // namespace tft::plugins

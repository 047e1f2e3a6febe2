// Chooses the kernel and the grid for a batch, and launches it.
#pragma once

#include "kernels.h"
#include "operators.h"
#include "parameters.h"

namespace tft::plugins {

bool launch_preprocess(Launcher& launcher, PreprocessParameters p, void* stream);
bool launch_variable_selection(Launcher& launcher, VariableSelectionParameters p, void* stream);
bool launch_static_contexts(Launcher& launcher, StaticContextsParameters p, void* stream);
bool launch_recurrence(Launcher& launcher, RecurrenceParameters p, void* stream);
bool launch_enrichment(Launcher& launcher, EnrichmentParameters p, void* stream);
bool launch_attention(Launcher& launcher, AttentionParameters p, int head_size, void* stream);

/// The kernels of a GPU, launched on a stream.
class LaunchedKernels final : public Kernels {
 public:
  LaunchedKernels(Launcher& launcher, void* stream) : launcher_(launcher), stream_(stream) {}
  bool preprocess(const PreprocessParameters& p) override;
  bool variable_selection(const VariableSelectionParameters& p, int, int) override;
  bool static_contexts(const StaticContextsParameters& p, int) override;
  bool recurrence(const RecurrenceParameters& p) override;
  bool decoder(const EnrichmentParameters& e, const AttentionParameters& a, int) override;

 private:
  Launcher& launcher_;
  void* const stream_;
};

/// Whether there is an attention kernel for this number of steps and head size.
bool has_attention(int steps, int head_size);

/// The names of all kernels, to load them.
std::span<const char* const> kernel_names();

}  // namespace tft::plugins

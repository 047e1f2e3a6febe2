#include "plugins/launch.h"
#include "plugins/test/emulated_launcher.h"
#include "plugins/test/subject.h"

namespace tft::plugins {

std::optional<std::vector<std::string>> run_subject(const Operator& op, std::span<const Shape> shapes,
                                                    void const* const* in, void* const* out, void* workspace,
                                                    const Circumstances& c) {
  EmulatedLauncher launcher(c.multiprocessors, c.seed, c.shared_limit);
  LaunchedKernels kernels(launcher, nullptr);
  if (!op.enqueue(kernels, shapes, in, out, workspace)) return std::nullopt;
  return launcher.launched;
}

Processor subject_processor() { return Processor::GPU; }
int subject_hidden_size() { return 32; }

}  // namespace tft::plugins

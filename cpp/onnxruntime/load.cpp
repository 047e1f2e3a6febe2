// Loads an ONNX file into an engine.
#include "engine/host_lane.h"
#include "onnxruntime/session.h"
#include "tft/onnxruntime.h"

namespace tft {

Result<std::unique_ptr<TFTEngine>> load_onnxruntime(const std::string& onnx, const ModelShape& shape,
                                                    const EngineOptions& options) {
  return engine_over_host(shape, options, kPreferredCpuBatch, [&]() -> Result<std::unique_ptr<HostModel>> {
    auto session = onnxruntime::Session::load(onnx, shape, options.kernels, options.log);
    if (!session) return session.error();
    return std::unique_ptr<HostModel>(std::move(session).value());
  });
}

}  // namespace tft

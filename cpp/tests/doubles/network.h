// How the double of the parser fills a network of the double of libnvinfer. The real one adds layer by layer,
// by methods that the double does not model.
#pragma once
#include <NvInfer.h>

#include <atomic>
#include <string>

#include "onnx.h"

namespace doubles {

/// Every network of the double is one.
class FillableNetwork : public nvinfer1::INetworkDefinition {
 public:
  /// `samples` is the folder of the bundle's sample windows; empty where there is none.
  virtual void fill(const OnnxModel& model, const std::string& hash, const std::string& samples) = 0;
  /// Adds an operator that ONNX does not have. False where there is no plugin of its name, version and
  /// namespace, or where that takes no such attributes.
  virtual bool add_plugin(const OnnxNode& node) = 0;
  /// The weights lie in the memory of the parser that read them.
  std::atomic<int> parsers{0};
};

}  // namespace doubles

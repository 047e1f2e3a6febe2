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
  virtual void fill(const OnnxModel& model, const std::string& hash) = 0;
  /// Whether an operator that ONNX does not have is a plugin that can be made.
  virtual bool has_plugin(const std::string& op) = 0;
  /// The weights lie in the memory of the parser that read them.
  std::atomic<int> parsers{0};
};

}  // namespace doubles

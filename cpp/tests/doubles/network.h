// The interface through which the parser's double fills a network. The real parser adds layers one by one,
// with methods that the double does not model.
#pragma once
#include <NvInfer.h>

#include <atomic>
#include <set>
#include <string>

#include "onnx.h"

namespace doubles {

/// The class of all networks of the double.
class FillableNetwork : public nvinfer1::INetworkDefinition {
 public:
  /// `samples` is the folder of the bundle's sample windows; empty if there is none.
  virtual void fill(const OnnxModel& model, const std::string& hash, const std::string& samples) = 0;
  /// Adds an operator that is not ONNX's. Returns false if no plugin has its name, version and namespace, or
  /// if the plugin refuses its attributes.
  virtual bool add_plugin(const OnnxNode& node) = 0;
  /// The number of parsers alive that filled it: their memory contains its weights.
  std::atomic<int> parsers{0};
  /// The operators of its graph.
  std::set<std::string> operators;
};

}  // namespace doubles

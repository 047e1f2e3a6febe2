// The fused nodes of a graph (graph/fused_graph.h) as operators of ONNX Runtime, computed by our kernels.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "graph/fused_graph.h"
#include "onnxruntime/library.h"

namespace tft::onnxruntime {

class NodeOperator;

/// Must outlive the sessions that use it.
class CustomOperators {
 public:
  CustomOperators(const Library& library, const std::vector<FusedNode>& nodes);
  ~CustomOperators();
  CustomOperators(const CustomOperators&) = delete;
  CustomOperators& operator=(const CustomOperators&) = delete;

  /// Makes the operators known to a session with these options. Returns what went wrong; empty for success.
  std::string add_to(SessionOptions* options);

 private:
  const Library& library_;
  std::vector<std::unique_ptr<NodeOperator>> operators_;
  OperatorDomain* domain_ = nullptr;
};

}  // namespace tft::onnxruntime

// Reads the parts of an ONNX file that the parser's double needs: inputs, outputs and operators.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan.h"

namespace doubles {

struct OnnxNode {
  std::string name;
  std::string op;
  std::vector<PlanField> numbers;            // numeric attributes, as the parser passes them to a plugin
  std::map<std::string, std::string> texts;  // text attributes
};

struct OnnxModel {
  std::vector<PlanTensor> tensors;  // inputs, then outputs; a named dimension is -1
  std::vector<OnnxNode> nodes;
};

/// Empty if the bytes are not a complete ONNX model.
std::optional<OnnxModel> read_onnx(std::string_view bytes);

}  // namespace doubles

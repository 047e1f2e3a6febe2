// Reads of an ONNX file what the double of the parser needs: its inputs, outputs and operators.
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
  std::vector<PlanField> numbers;  // attributes that are a number, as the parser gives them to a plugin
  std::map<std::string, std::string> texts;  // and those that are a text
};

struct OnnxModel {
  std::vector<PlanTensor> tensors;  // inputs, then outputs; -1 for a dimension with a name
  std::vector<OnnxNode> nodes;
};

/// Nothing where the bytes are no whole ONNX model.
std::optional<OnnxModel> read_onnx(std::string_view bytes);

}  // namespace doubles

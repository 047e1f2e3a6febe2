#include "tensorrt/rtx_graph.h"

#include <cstring>
#include <optional>

#include "graph/onnx_fields.h"
#include "graph/onnx_message.h"

namespace tft {
namespace {

using onnx::Field;

void write_float_attribute(std::string& node, std::string_view name, float value) {
  std::string attribute;
  onnx::write_bytes_field(attribute, onnx::kAttributeName, name);
  onnx::write_float_field(attribute, onnx::kAttributeFloat, value);
  onnx::write_varint_field(attribute, onnx::kAttributeType, onnx::kTypeFloat);
  onnx::write_bytes_field(node, onnx::kNodeAttribute, attribute);
}

/// The value of an AttributeProto's float; ONNX omits a value of 0.
float float_of(std::string_view attribute) {
  float value = 0;
  if (const auto fields = onnx::read_message(attribute))
    for (const Field& field : *fields)
      if (field.number == onnx::kAttributeFloat && field.content.size() == sizeof value)
        std::memcpy(&value, field.content.data(), sizeof value);
  return value;
}

/// Converts an Elu node to a Selu; empty for other nodes.
std::optional<std::string> selu_of(std::string_view bytes) {
  const auto fields = onnx::read_message(bytes);
  if (!fields) return std::nullopt;
  bool is_elu = false;
  for (const Field& field : *fields) {
    if (field.number == onnx::kNodeDomain && !field.content.empty() && field.content != "ai.onnx")
      return std::nullopt;
    is_elu = is_elu || (field.number == onnx::kNodeOperator && field.content == "Elu");
  }
  if (!is_elu) return std::nullopt;
  std::string node;
  float alpha = 1;
  for (const Field& field : *fields) {
    if (field.number == onnx::kNodeOperator)
      onnx::write_bytes_field(node, onnx::kNodeOperator, "Selu");
    else if (field.number == onnx::kNodeAttribute)
      alpha = float_of(field.content);  // Elu's only attribute
    else
      node += field.whole;
  }
  write_float_attribute(node, "alpha", alpha);
  write_float_attribute(node, "gamma", 1);
  return node;
}

}  // namespace

std::string rewrite_for_rtx(std::string_view model) {
  const auto fields = onnx::read_message(model);
  if (!fields) return "";
  std::string rewritten;
  bool changed = false;
  for (const Field& field : *fields) {
    const auto graph = field.number == onnx::kModelGraph ? onnx::read_message(field.content) : std::nullopt;
    if (!graph) {
      rewritten += field.whole;
      continue;
    }
    std::string graph_bytes;
    for (const Field& part : *graph) {
      const auto selu = part.number == onnx::kGraphNode ? selu_of(part.content) : std::nullopt;
      if (selu)
        onnx::write_bytes_field(graph_bytes, onnx::kGraphNode, *selu);
      else
        graph_bytes += part.whole;
      changed = changed || selu;
    }
    onnx::write_bytes_field(rewritten, onnx::kModelGraph, graph_bytes);
  }
  return changed ? rewritten : "";
}

}  // namespace tft

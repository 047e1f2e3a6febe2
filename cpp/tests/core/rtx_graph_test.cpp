// For TensorRT for RTX, Elu is replaced, and nothing else of a model changes.
#include "tensorrt/rtx_graph.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "graph/onnx_fields.h"
#include "graph/onnx_message.h"

namespace tft {
namespace {

using onnx::Field;

std::string attribute(const std::string& name, float value) {
  std::string bytes;
  onnx::write_bytes_field(bytes, onnx::kAttributeName, name);
  onnx::write_float_field(bytes, onnx::kAttributeFloat, value);
  onnx::write_varint_field(bytes, onnx::kAttributeType, onnx::kTypeFloat);
  return bytes;
}

std::string node(const std::string& op, const std::vector<std::string>& attributes,
                 const std::string& domain = "") {
  std::string bytes;
  onnx::write_bytes_field(bytes, onnx::kNodeInput, "x");
  onnx::write_bytes_field(bytes, onnx::kNodeOutput, "y");
  onnx::write_bytes_field(bytes, onnx::kNodeName, "activation");
  onnx::write_bytes_field(bytes, onnx::kNodeOperator, op);
  for (const std::string& one : attributes) onnx::write_bytes_field(bytes, onnx::kNodeAttribute, one);
  if (!domain.empty()) onnx::write_bytes_field(bytes, onnx::kNodeDomain, domain);
  return bytes;
}

std::string model_of(const std::string& node) {
  std::string graph, model;
  onnx::write_bytes_field(graph, onnx::kGraphNode, node);
  onnx::write_bytes_field(graph, onnx::kGraphInput, "x");
  onnx::write_varint_field(model, 1, 8);  // ir_version
  onnx::write_bytes_field(model, onnx::kModelGraph, graph);
  return model;
}

TEST(RtxGraphTest, AnEluBecomesASeluOfTheSameFunction) {
  EXPECT_EQ(rewrite_for_rtx(model_of(node("Elu", {attribute("alpha", 0.5f)}))),
            model_of(node("Selu", {attribute("alpha", 0.5f), attribute("gamma", 1)})));
  // ONNX's default.
  EXPECT_EQ(rewrite_for_rtx(model_of(node("Elu", {}))),
            model_of(node("Selu", {attribute("alpha", 1), attribute("gamma", 1)})));
}

TEST(RtxGraphTest, OtherModelsStayAsTheyAre) {
  EXPECT_EQ(rewrite_for_rtx(model_of(node("Relu", {}))), "");
  EXPECT_EQ(rewrite_for_rtx(model_of(node("Elu", {}, "somebody.else"))), "");
  EXPECT_EQ(rewrite_for_rtx("no ONNX file"), "");
  EXPECT_EQ(rewrite_for_rtx(""), "");
}

std::map<std::string, int> operators(std::string_view model) {
  std::map<std::string, int> counts;
  const auto fields = onnx::read_message(model);
  for (const Field& field : fields.value()) {
    if (field.number != onnx::kModelGraph) continue;
    const auto graph = onnx::read_message(field.content);
    for (const Field& part : graph.value()) {
      if (part.number != onnx::kGraphNode) continue;
      const auto parts = onnx::read_message(part.content);
      for (const Field& one : parts.value())
        if (one.number == onnx::kNodeOperator) ++counts[std::string(one.content)];
    }
  }
  return counts;
}

TEST(RtxGraphTest, TheDemoModelHasNoEluLeftAndAllElseOfIt) {
  for (const char* name : {"model.onnx", "model.fp16.onnx", "model.int8.onnx"}) {
    std::ifstream in(std::string(TFT_PROJECT) + "/models/demo/" + name, std::ios::binary);
    const std::string demo{std::istreambuf_iterator<char>(in), {}};
    auto expected = operators(demo);
    ASSERT_GT(expected["Elu"], 0) << name;
    expected["Selu"] = expected["Elu"];
    expected.erase("Elu");
    EXPECT_EQ(operators(rewrite_for_rtx(demo)), expected) << name;
  }
}

}  // namespace
}  // namespace tft

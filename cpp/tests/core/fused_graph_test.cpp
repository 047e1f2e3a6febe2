// The parts of an ONNX graph that become our operators, and those that do not.
#include "graph/fused_graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>

#include "graph/onnx_message.h"

namespace tft {
namespace {

constexpr int kModelGraph = 7, kModelOperatorSet = 8, kModelMetadata = 14;

std::string file(const std::string& path) {
  std::ifstream in(std::string(TFT_PROJECT) + "/" + path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
std::string demo() { return file("models/demo/model.onnx"); }

FusedGraph for_tensorrt(std::string_view model) { return fuse_graph(model, FusedFor::TENSORRT); }
FusedGraph for_onnxruntime(std::string_view model) { return fuse_graph(model, FusedFor::ONNXRUNTIME); }

/// The number of nodes of each operator.
std::map<std::string, int> operators(std::string_view model) {
  std::map<std::string, int> counts;
  const auto fields = onnx::read_message(model);
  for (const onnx::Field& field : fields.value()) {
    if (field.number != kModelGraph) continue;
    const auto parts = onnx::read_message(field.content);
    for (const onnx::Field& part : parts.value()) {
      if (part.number != 1) continue;
      const auto node = onnx::read_message(part.content);
      for (const onnx::Field& one : node.value())
        if (one.number == 4) ++counts[std::string(one.content)];
    }
  }
  return counts;
}

int nodes(std::string_view model) {
  int all = 0;
  for (const auto& [op, count] : operators(model)) all += count;
  return all;
}

/// The model with the texts of its regions changed: `change` returns a new text, or an empty one to remove
/// the region.
template <class Change>
std::string with_regions(const std::string& model, Change change) {
  std::string out;
  const auto fields = onnx::read_message(model);
  for (const onnx::Field& field : fields.value()) {
    if (field.number != kModelMetadata) {
      out += field.whole;
      continue;
    }
    const auto entry = onnx::read_message(field.content);
    const std::string text = change(std::string(entry.value().at(1).content));
    if (text.empty()) continue;
    std::string bytes;
    onnx::write_bytes_field(bytes, 1, entry->at(0).content);
    onnx::write_bytes_field(bytes, 2, text);
    onnx::write_bytes_field(out, kModelMetadata, bytes);
  }
  return out;
}

/// The demo model with one text replaced by another in the region of this name.
std::string demo_with(const std::string& name, const std::string& from, const std::string& to) {
  return with_regions(demo(), [&](std::string text) {
    if (text.find("\nname " + name + "\n") == std::string::npos) return text;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << text;
    return text.replace(at, from.size(), to);
  });
}

void expect_left(const std::string& model, const std::string& name, const std::string& why) {
  const FusedGraph graph = for_tensorrt(model);
  ASSERT_EQ(graph.unfused.size(), 1u);
  EXPECT_EQ(graph.unfused[0].name, name);
  EXPECT_NE(graph.unfused[0].why.find(why), std::string::npos) << graph.unfused[0].why;
  EXPECT_EQ(std::count(graph.fused.begin(), graph.fused.end(), name), 0);
  EXPECT_GT(nodes(graph.model), 0);
}

TEST(FusedGraphTest, EachPartOfTheDemoModelBecomesAnOperator) {
  const FusedGraph graph = for_tensorrt(demo());
  for (const char* part : {"preprocess", "static_selection", "contexts", "encoder_selection",
                           "decoder_selection", "recurrent", "decoder"})
    EXPECT_EQ(std::count(graph.fused.begin(), graph.fused.end(), part), 1) << part;
  EXPECT_TRUE(graph.unfused.empty());
  const auto all = operators(graph.model);
  EXPECT_EQ(all.at("TftVariableSelection"), 3);
  for (const char* op : {"TftPreprocess", "TftStaticContexts", "TftRecurrence", "TftDecoder"})
    EXPECT_EQ(all.at(op), 1) << op;
  EXPECT_FALSE(all.contains("LSTM"));
  EXPECT_GT(nodes(demo()), 150);
  EXPECT_LT(nodes(graph.model), 50);
  EXPECT_LT(graph.model.size(), demo().size() + 8192) << "the model contains weights twice";
}

TEST(FusedGraphTest, WithoutTheExportersEntriesTheTwoLstmsBecomeOperators) {
  const std::string model = with_regions(demo(), [](const std::string&) { return std::string(); });
  const FusedGraph graph = for_tensorrt(model);
  EXPECT_EQ(graph.fused.size(), 2u);
  EXPECT_TRUE(graph.unfused.empty());
  EXPECT_EQ(operators(graph.model).at("TftLstm"), 2);
  EXPECT_FALSE(operators(graph.model).contains("LSTM"));
  EXPECT_EQ(nodes(graph.model), nodes(model));
}

TEST(FusedGraphTest, ARegionThatDoesNotMatchTheGraphIsLeftToTensorRTWithTheReason) {
  expect_left(demo_with("contexts", "input static ", "input static no_such_"), "contexts",
              "the graph has no tensor 'no_such_");
  expect_left(demo_with("contexts", "output select split_split_0", "output select no_such"), "contexts",
              "the graph does not make 'no_such'");
  expect_left(demo_with("decoder_selection", "op TftVariableSelection", "op TftOther"), "decoder_selection",
              "this build has no kernel for TftOther");
  expect_left(demo_with("contexts", "input static ", "output one_too_many "), "contexts",
              "another version of the exporter");
  expect_left(demo_with("decoder", "attribute heads 4", "attribute heads 3"), "decoder", "3 attention heads");
}

TEST(FusedGraphTest, ARecurrenceThatIsLeftToTensorRTIsStillFusedLstmByLstm) {
  const FusedGraph graph = for_tensorrt(demo_with("recurrent", "op TftRecurrence", "op TftOther"));
  EXPECT_EQ(graph.unfused.size(), 1u);
  EXPECT_EQ(operators(graph.model).at("TftLstm"), 2);
}

/// A file with one LSTM of a hidden size, in float32 or another of ONNX's types, and its weights in this file
/// or another.
std::string one_lstm(std::uint64_t hidden, std::uint64_t type = 1, bool external = false) {
  std::string node, graph;
  for (const char* input : {"x", "w", "r", "b", "", "h", "c"}) onnx::write_bytes_field(node, 1, input);
  for (const char* output : {"y", "y_h", "y_c"}) onnx::write_bytes_field(node, 2, output);
  onnx::write_bytes_field(node, 3, "lstm");
  onnx::write_bytes_field(node, 4, "LSTM");
  std::string attribute;
  onnx::write_bytes_field(attribute, 1, "hidden_size");
  onnx::write_varint_field(attribute, 3, hidden);
  onnx::write_varint_field(attribute, 20, 2);
  onnx::write_bytes_field(node, 5, attribute);
  onnx::write_bytes_field(graph, 1, node);
  const auto initializer = [&](const char* name, std::initializer_list<std::uint64_t> dims) {
    std::string tensor;
    for (const std::uint64_t dim : dims) onnx::write_varint_field(tensor, 1, dim);
    onnx::write_varint_field(tensor, 2, type);
    onnx::write_bytes_field(tensor, 8, name);
    if (external) onnx::write_varint_field(tensor, 14, 1);
    onnx::write_bytes_field(graph, 5, tensor);
  };
  initializer("w", {1, 4 * hidden, hidden});
  initializer("r", {1, 4 * hidden, hidden});
  initializer("b", {1, 8 * hidden});
  for (const char* name : {"x", "h", "c"}) {
    std::string input;
    onnx::write_bytes_field(input, 1, name);
    onnx::write_bytes_field(graph, 11, input);
  }
  std::string output;
  onnx::write_bytes_field(output, 1, "y");
  onnx::write_bytes_field(graph, 12, output);
  std::string model;
  onnx::write_bytes_field(model, kModelGraph, graph);
  return model;
}

TEST(FusedGraphTest, AHiddenSizeWithoutKernelIsReportedAndTheModelIsUnchanged) {
  EXPECT_EQ(for_tensorrt(one_lstm(32)).fused, (std::vector<std::string>{"lstm"}));
  EXPECT_EQ(for_tensorrt(one_lstm(128)).fused, (std::vector<std::string>{"lstm"}));
  const FusedGraph graph = for_tensorrt(one_lstm(160));
  EXPECT_TRUE(graph.fused.empty());
  EXPECT_EQ(graph.model, "");
  ASSERT_EQ(graph.unfused.size(), 1u);
  EXPECT_EQ(graph.unfused[0].why,
            "the hidden size is 160, and the recurrence's kernels are for multiples of 4 up to 128");
}

TEST(FusedGraphTest, AnLstmInHalfPrecisionIsLeftToTensorRT) {
  constexpr std::uint64_t kFloat16 = 10;
  EXPECT_TRUE(for_tensorrt(one_lstm(32, kFloat16)).fused.empty());
}

/// The domain of each operator set that a model imports, with its version.
std::map<std::string, std::uint64_t> imports(std::string_view model) {
  std::map<std::string, std::uint64_t> found;
  const auto fields = onnx::read_message(model);
  for (const onnx::Field& field : fields.value()) {
    if (field.number != kModelOperatorSet) continue;
    std::string domain;
    std::uint64_t version = 0;
    const auto parts = onnx::read_message(field.content);
    for (const onnx::Field& part : parts.value()) {
      if (part.number == 1) domain = part.content;
      if (part.number == 2) version = part.value;
    }
    found[domain] = version;
  }
  return found;
}

TEST(FusedGraphTest, ForOnnxRuntimeEachPartHasAnOperatorTypeOfItsOwn) {
  const std::string model = demo();
  const FusedGraph graph = for_onnxruntime(model);
  const FusedGraph other = for_tensorrt(model);
  EXPECT_EQ(graph.fused, other.fused);
  EXPECT_TRUE(graph.unfused.empty());
  EXPECT_TRUE(other.nodes.empty());
  ASSERT_EQ(graph.nodes.size(), graph.fused.size());
  auto all = operators(graph.model);
  std::map<std::string, int> kinds;
  for (const FusedNode& node : graph.nodes) {
    EXPECT_EQ(all[node.type], 1) << node.type;
    all.erase(node.type);
    ++kinds[node.op];
    EXPECT_NE(plugins::make_operator(node.op, node.attributes), nullptr) << node.op;
  }
  EXPECT_EQ(kinds["TftVariableSelection"], 3);
  // The other nodes are the same ones.
  auto others = operators(other.model);
  for (const auto& [op, count] : kinds) others.erase(op);
  EXPECT_EQ(all, others);
  auto expected = imports(model);
  expected[kFusedDomain] = 1;
  EXPECT_EQ(imports(graph.model), expected);
}

TEST(FusedGraphTest, ForOnnxRuntimeAnLstmIsFusedToo) {
  const FusedGraph graph = for_onnxruntime(one_lstm(32));
  ASSERT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(graph.nodes[0].op, "TftLstm");
  EXPECT_EQ(graph.nodes[0].attributes.at("hidden_size"), 32);
  EXPECT_EQ(operators(graph.model), (std::map<std::string, int>{{graph.nodes[0].type, 1}}));
  EXPECT_NE(for_onnxruntime(one_lstm(160)).model, "");
  EXPECT_EQ(for_onnxruntime(one_lstm(164)).model, "");
}

TEST(FusedGraphTest, WeightsInAnotherFileAreNotFusedForOnnxRuntime) {
  const std::string model = one_lstm(32, 1, true);
  EXPECT_EQ(for_tensorrt(model).fused.size(), 1u);
  const FusedGraph graph = for_onnxruntime(model);
  EXPECT_EQ(graph.model, "");
  ASSERT_EQ(graph.unfused.size(), 1u);
  EXPECT_EQ(graph.unfused[0].why, "its weights are in another file");
}

TEST(FusedGraphTest, AFileThatIsNotAModelIsUnchanged) {
  const std::string good = demo();
  for (std::size_t size = 0; size < good.size(); size += good.size() / 97) {
    const FusedGraph graph = for_tensorrt(std::string_view(good).substr(0, size));
    EXPECT_EQ(graph.model, "") << size;
    EXPECT_TRUE(graph.fused.empty()) << size;
  }
  EXPECT_EQ(for_tensorrt("no model").model, "");
}

}  // namespace
}  // namespace tft

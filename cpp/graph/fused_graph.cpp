#include "graph/fused_graph.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "graph/onnx_fields.h"
#include "graph/onnx_message.h"
#include "plugins/operators.h"

namespace tft {
namespace {

using namespace onnx;
using plugins::Shape;

constexpr std::string_view kRegionPrefix = "tft.region.";

struct Node {
  std::vector<std::string_view> inputs, outputs;
  std::string_view name, op, domain;
  std::vector<std::string_view> attributes;  // each the bytes of an AttributeProto
  std::string bytes;                         // of the NodeProto
};

struct Region {
  std::string op, name;
  plugins::Attributes attributes;
  std::vector<std::string> inputs, outputs;
};

struct Value {
  Shape shape;
  int type = 0;              // of an initializer
  bool is_external = false;  // its data is in another file
};

struct Graph {
  std::vector<Node> nodes;
  std::map<std::string_view, Value> values;  // the known properties of each tensor
  std::set<std::string_view> initializers, inputs, outputs;
  bool has_external_weights = false;
};

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> all;
  while (!line.empty()) {
    const std::size_t end = std::min(line.find(' '), line.size());
    if (end > 0) all.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return all;
}

/// Parses a region's text; empty if it is not in our format.
std::optional<Region> read_region(std::string_view text) {
  Region region;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const auto line = words(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    if (line[0] == "op" && line.size() == 2) {
      region.op = line[1];
    } else if (line[0] == "name" && line.size() == 2) {
      region.name = line[1];
    } else if (line[0] == "attribute" && line.size() == 3) {
      double value = 0;
      const char* const last = line[2].data() + line[2].size();
      if (std::from_chars(line[2].data(), last, value).ptr != last) return std::nullopt;
      region.attributes[std::string(line[1])] = value;
    } else if (line[0] == "input" && line.size() == 3) {
      region.inputs.emplace_back(line[2]);
    } else if (line[0] == "output" && line.size() == 3) {
      region.outputs.emplace_back(line[2]);
    } else {
      return std::nullopt;
    }
  }
  if (region.op.empty() || region.outputs.empty()) return std::nullopt;
  if (region.name.empty()) region.name = region.op;
  return region;
}

std::optional<Node> read_node(std::string_view bytes) {
  const auto fields = onnx::read_message(bytes);
  if (!fields) return std::nullopt;
  Node node;
  for (const Field& field : *fields) {
    if (field.number == kNodeInput) node.inputs.push_back(field.content);
    if (field.number == kNodeOutput) node.outputs.push_back(field.content);
    if (field.number == kNodeName) node.name = field.content;
    if (field.number == kNodeOperator) node.op = field.content;
    if (field.number == kNodeDomain) node.domain = field.content;
    if (field.number == kNodeAttribute) node.attributes.push_back(field.content);
  }
  node.bytes = bytes;
  return node;
}

void add_dim(Shape& shape, std::int64_t dim) {
  if (shape.rank < plugins::kMaxRank) shape.dims[static_cast<std::size_t>(shape.rank)] = dim;
  ++shape.rank;
}

/// Reads the dims of a TensorProto: packed, or one per field.
void read_dims(const Field& field, Shape& shape) {
  if (field.wire_type == 0) return add_dim(shape, static_cast<std::int64_t>(field.value));
  for (std::string_view rest = field.content; !rest.empty();) {
    std::uint64_t value = 0;
    int shift = 0;
    bool more = true;
    while (more && !rest.empty() && shift < 64) {
      const auto byte = static_cast<unsigned char>(rest.front());
      rest.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      shift += 7;
      more = (byte & 0x80) != 0;
    }
    add_dim(shape, static_cast<std::int64_t>(value));
  }
}

std::string_view read_initializer(std::string_view bytes, Value& value) {
  std::string_view name;
  const auto fields = onnx::read_message(bytes);
  if (!fields) return name;
  value.shape.rank = 0;
  for (const Field& field : *fields) {
    if (field.number == kTensorName) name = field.content;
    if (field.number == kTensorType) value.type = static_cast<int>(field.value);
    if (field.number == kTensorDims) read_dims(field, value.shape);
    if (field.number == kTensorLocation) value.is_external = field.value == kExternal;
  }
  return name;
}

/// The content of a nested field: follows the path of field numbers, taking the first field of each number.
std::optional<std::string_view> descend(std::string_view bytes, std::initializer_list<int> path) {
  for (const int number : path) {
    const auto fields = onnx::read_message(bytes);
    if (!fields) return std::nullopt;
    const auto found =
        std::find_if(fields->begin(), fields->end(), [&](const Field& f) { return f.number == number; });
    if (found == fields->end()) return std::nullopt;
    bytes = found->content;
  }
  return bytes;
}

/// A ValueInfoProto: its name, and its dims with -1 for those that vary.
std::string_view read_value_info(std::string_view bytes, Value& value) {
  const auto name = descend(bytes, {1});
  const auto shape = descend(bytes, {2, 1, 2});  // type, tensor_type, shape
  if (shape) {
    if (const auto dims = onnx::read_message(*shape)) {
      value.shape.rank = 0;
      for (const Field& dim : *dims) {
        std::int64_t length = -1;
        if (const auto parts = onnx::read_message(dim.content))
          for (const Field& part : *parts)
            if (part.number == 1) length = static_cast<std::int64_t>(part.value);
        add_dim(value.shape, length);
      }
    }
  }
  return name.value_or(std::string_view());
}

std::optional<Graph> read_graph(const std::vector<Field>& fields) {
  Graph graph;
  for (const Field& field : fields) {
    Value value;
    switch (field.number) {
      case kGraphNode: {
        auto node = read_node(field.content);
        if (!node) return std::nullopt;
        graph.nodes.push_back(std::move(*node));
        break;
      }
      case kGraphInitializer: {
        const std::string_view name = read_initializer(field.content, value);
        graph.initializers.insert(name);
        graph.has_external_weights = graph.has_external_weights || value.is_external;
        graph.values[name] = value;
        break;
      }
      case kGraphInput:
      case kGraphOutput:
      case kGraphValueInfo: {
        const std::string_view name = read_value_info(field.content, value);
        if (field.number == kGraphInput) graph.inputs.insert(name);
        if (field.number == kGraphOutput) graph.outputs.insert(name);
        graph.values.try_emplace(name, value);
        break;
      }
      default:
        break;
    }
  }
  return graph;
}

// Writing nodes

std::string attribute(std::string_view name, double value) {
  std::string out;
  onnx::write_bytes_field(out, kAttributeName, name);
  const auto whole = static_cast<std::int64_t>(value);
  if (static_cast<double>(whole) == value) {
    onnx::write_varint_field(out, kAttributeInt, static_cast<std::uint64_t>(whole));
    onnx::write_varint_field(out, kAttributeType, kTypeInt);
  } else {
    onnx::write_float_field(out, kAttributeFloat, static_cast<float>(value));
    onnx::write_varint_field(out, kAttributeType, kTypeFloat);
  }
  return out;
}

std::string attribute(std::string_view name, std::string_view value) {
  std::string out;
  onnx::write_bytes_field(out, kAttributeName, name);
  onnx::write_bytes_field(out, kAttributeString, value);
  onnx::write_varint_field(out, kAttributeType, kTypeString);
  return out;
}

/// Without a type, the node is TensorRT's.
std::string node_of(const Region& region, std::string_view type) {
  std::string out;
  for (const std::string& input : region.inputs) onnx::write_bytes_field(out, kNodeInput, input);
  for (const std::string& output : region.outputs) onnx::write_bytes_field(out, kNodeOutput, output);
  onnx::write_bytes_field(out, kNodeName, region.name);
  if (!type.empty()) {
    onnx::write_bytes_field(out, kNodeOperator, type);
    onnx::write_bytes_field(out, kNodeDomain, kFusedDomain);
    return out;
  }
  onnx::write_bytes_field(out, kNodeOperator, region.op);
  // The operator's, since TensorRT's parser warns of one that is missing.
  const auto op = plugins::make_operator(region.op, region.attributes);
  for (const auto& [name, value] : op->attributes())
    onnx::write_bytes_field(out, kNodeAttribute, attribute(name, value));
  // The parser finds the creator by these two attributes.
  onnx::write_bytes_field(out, kNodeAttribute,
                          attribute("plugin_version", std::string_view(plugins::kOperatorsVersion)));
  onnx::write_bytes_field(out, kNodeAttribute,
                          attribute("plugin_namespace", std::string_view(plugins::kOperatorsNamespace)));
  return out;
}

// Which parts can be fused

/// Why no kernel supports a region; empty if one does. `made` has the names of the nodes' outputs.
std::string misfit(const Graph& graph, const Region& region, const std::set<std::string_view>& made,
                   plugins::Processor processor) {
  const auto op = plugins::make_operator(region.op, region.attributes);
  if (op == nullptr) return "this build has no kernel for " + region.op;
  if (op->inputs() != static_cast<int>(region.inputs.size()) ||
      op->outputs() != static_cast<int>(region.outputs.size()))
    return "its tensors are from another version of the exporter";
  std::vector<Shape> shapes;
  for (const std::string& input : region.inputs) {
    if (!graph.initializers.contains(input) && !graph.inputs.contains(input) && !made.contains(input))
      return "the graph has no tensor '" + input + "'";
    const auto found = graph.values.find(input);
    if (found != graph.values.end() && found->second.shape.rank > plugins::kMaxRank)
      return "'" + input + "' has too many dimensions";
    shapes.push_back(found == graph.values.end() ? Shape{} : found->second.shape);
  }
  for (const std::string& output : region.outputs)
    if (!made.contains(output)) return "the graph does not make '" + output + "'";
  if (processor == plugins::Processor::CPU)
    for (int i = 0; i < op->inputs(); ++i)
      if (op->is_kept(i) && !graph.initializers.contains(region.inputs[static_cast<std::size_t>(i)]))
        return "its weights are computed";
  return op->misfit(shapes, processor);
}

/// An ONNX LSTM as a region; empty if the kernel does not support its kind.
std::optional<Region> lstm_region(const Graph& graph, const Node& node, int number) {
  constexpr std::size_t kWeight = 1, kSequenceLengths = 4, kInitialHidden = 5, kInitialCell = 6;
  if (node.op != "LSTM" || node.inputs.size() != kInitialCell + 1 || !node.inputs[kSequenceLengths].empty())
    return std::nullopt;
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    if (i != kSequenceLengths && node.inputs[i].empty()) return std::nullopt;
  const auto weight = graph.values.find(node.inputs[kWeight]);
  if (weight == graph.values.end() || weight->second.type != kFloat32) return std::nullopt;
  Region region;
  for (const std::string_view bytes : node.attributes) {
    const auto fields = onnx::read_message(bytes);
    if (!fields) return std::nullopt;
    std::string_view name, text;
    std::uint64_t value = 0;
    for (const Field& field : *fields) {
      if (field.number == kAttributeName) name = field.content;
      if (field.number == kAttributeString) text = field.content;
      if (field.number == kAttributeInt) value = field.value;
    }
    // Only the standard cell in one direction is supported.
    if (name == "hidden_size")
      region.attributes["hidden_size"] = static_cast<double>(value);
    else if (!(name == "direction" && text == "forward") && !(name == "layout" && value == 0))
      return std::nullopt;
  }
  region.op = "TftLstm";
  region.name = node.name.empty() ? "lstm_" + std::to_string(number) : std::string(node.name);
  for (const std::size_t i :
       {std::size_t{0}, kWeight, std::size_t{2}, std::size_t{3}, kInitialHidden, kInitialCell})
    region.inputs.emplace_back(node.inputs[i]);
  for (std::size_t i = 0; i < 3; ++i) {
    const bool named = i < node.outputs.size() && !node.outputs[i].empty();
    // A plugin's outputs must all have names.
    region.outputs.push_back(named ? std::string(node.outputs[i])
                                   : "tft_unused_" + std::to_string(number) + "_" + std::to_string(i));
  }
  return region;
}

/// Inserts the region's node where the last of its outputs was computed. `drop_unused` removes the replaced
/// nodes.
void replace(std::vector<Node>& nodes, const Region& region, std::string_view type,
             std::vector<std::string>& kept_texts) {
  const auto makes_output = [&](const Node& node) {
    return std::any_of(node.outputs.begin(), node.outputs.end(), [&](std::string_view output) {
      return std::find(region.outputs.begin(), region.outputs.end(), output) != region.outputs.end();
    });
  };
  kept_texts.push_back(node_of(region, type));
  auto node = read_node(kept_texts.back());
  std::size_t last = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (makes_output(nodes[i])) last = i;
  nodes[last] = std::move(*node);
  for (std::size_t i = last; i-- > 0;)
    if (makes_output(nodes[i])) nodes.erase(nodes.begin() + static_cast<std::ptrdiff_t>(i));
}

/// Sorts the nodes so that each follows those that compute its inputs, as ONNX requires, and otherwise keeps
/// their order. A region with several outputs comes later than its first output did.
void put_in_order(std::vector<Node>& nodes) {
  std::set<std::string_view> to_come;
  for (const Node& node : nodes) to_come.insert(node.outputs.begin(), node.outputs.end());
  std::vector<Node> ordered;
  for (bool moved = true; moved && !nodes.empty();) {
    moved = false;
    std::vector<Node> left;
    for (Node& node : nodes) {
      if (std::any_of(node.inputs.begin(), node.inputs.end(),
                      [&](auto name) { return to_come.contains(name); })) {
        left.push_back(std::move(node));
        continue;
      }
      for (const std::string_view output : node.outputs) to_come.erase(output);
      ordered.push_back(std::move(node));
      moved = true;
    }
    nodes = std::move(left);
  }
  // A cycle means that the file is invalid; the parser refuses it.
  for (Node& node : nodes) ordered.push_back(std::move(node));
  nodes = std::move(ordered);
}

/// Removes unused nodes; returns the names of all used tensors.
std::set<std::string_view> drop_unused(std::vector<Node>& nodes, const Graph& graph) {
  std::set<std::string_view> needed(graph.outputs.begin(), graph.outputs.end());
  std::vector<Node> kept;
  for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
    if (std::none_of(node->outputs.begin(), node->outputs.end(),
                     [&](auto name) { return needed.contains(name); }))
      continue;
    needed.insert(node->inputs.begin(), node->inputs.end());
    kept.push_back(std::move(*node));
  }
  std::reverse(kept.begin(), kept.end());
  nodes = std::move(kept);
  return needed;
}

std::vector<Region> regions_of(const std::vector<Field>& model) {
  std::vector<std::pair<int, Region>> numbered;
  for (const Field& field : model) {
    if (field.number != kModelMetadata) continue;
    const auto key = descend(field.content, {1}), text = descend(field.content, {2});
    if (!key || !text || !key->starts_with(kRegionPrefix)) continue;
    int number = 0;
    const std::string_view digits = key->substr(kRegionPrefix.size());
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (auto region = read_region(*text)) numbered.emplace_back(number, std::move(*region));
  }
  std::stable_sort(numbered.begin(), numbered.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Region> all;
  for (auto& [number, region] : numbered) all.push_back(std::move(region));
  return all;
}

}  // namespace

FusedGraph fuse_graph(std::string_view model, FusedFor runtime) {
  FusedGraph result;
  const auto fields = onnx::read_message(model);
  if (!fields) return result;
  const auto graph_field =
      std::find_if(fields->begin(), fields->end(), [](const Field& f) { return f.number == kModelGraph; });
  if (graph_field == fields->end()) return result;
  const auto graph_fields = onnx::read_message(graph_field->content);
  if (!graph_fields) return result;
  const auto graph = read_graph(*graph_fields);
  if (!graph) return result;
  const bool for_onnxruntime = runtime == FusedFor::ONNXRUNTIME;
  if (for_onnxruntime && graph->has_external_weights) {
    result.unfused.push_back({"the model", "its weights are in another file"});
    return result;
  }

  std::vector<Node> nodes = graph->nodes;
  std::vector<std::string> texts;  // the texts that new nodes refer to
  texts.reserve(graph->nodes.size() + fields->size());
  std::set<std::string_view> made;
  for (const Node& node : nodes) made.insert(node.outputs.begin(), node.outputs.end());
  const auto fuse = [&](const Region& region) {
    const std::string why =
        misfit(*graph, region, made, for_onnxruntime ? plugins::Processor::CPU : plugins::Processor::GPU);
    if (!why.empty()) {
      result.unfused.push_back({region.name, why});
      return;
    }
    std::string type;
    if (for_onnxruntime) {
      type = region.op + "_" + std::to_string(result.nodes.size());
      result.nodes.push_back({type, region.op, region.attributes});
    }
    replace(nodes, region, type, texts);
    result.fused.push_back(region.name);
  };
  for (const Region& region : regions_of(*fields)) fuse(region);
  // The recurrences that are in no fused region.
  put_in_order(nodes);
  (void)drop_unused(nodes, *graph);
  std::vector<Region> lstms;
  for (const Node& node : nodes)
    if (auto region = lstm_region(*graph, node, static_cast<int>(lstms.size())))
      lstms.push_back(std::move(*region));
  for (const Region& lstm : lstms) {
    // Includes outputs that are named only here.
    made.insert(lstm.outputs.begin(), lstm.outputs.end());
    fuse(lstm);
  }
  if (result.fused.empty()) return result;
  put_in_order(nodes);
  const std::set<std::string_view> needed = drop_unused(nodes, *graph);

  std::string graph_bytes;
  for (const Node& node : nodes) onnx::write_bytes_field(graph_bytes, kGraphNode, node.bytes);
  for (const Field& field : *graph_fields) {
    if (field.number == kGraphNode || field.number == kGraphValueInfo) continue;
    Value ignored;
    if (field.number == kGraphInitializer && !needed.contains(read_initializer(field.content, ignored)))
      continue;
    graph_bytes += field.whole;
  }
  for (const Field& field : *fields) {
    if (field.number == kModelGraph)
      onnx::write_bytes_field(result.model, kModelGraph, graph_bytes);
    else
      result.model += field.whole;
  }
  if (for_onnxruntime) {
    std::string import;
    onnx::write_bytes_field(import, kOperatorSetDomain, kFusedDomain);
    onnx::write_varint_field(import, kOperatorSetVersion, 1);
    onnx::write_bytes_field(result.model, kModelOperatorSet, import);
  }
  return result;
}

}  // namespace tft

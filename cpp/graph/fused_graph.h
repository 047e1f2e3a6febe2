// Replaces parts of an ONNX graph by operators with kernels (cpp/plugins): in memory, a part's nodes become
// one node of our operator. The file remains a standard one, which any runtime runs.
//
// The exporter writes the tensors at the border of each part to the file's metadata; an LSTM needs no such
// entry:
//
//   tft.region.0 = op TftVariableSelection
//                  name encoder_selection
//                  attribute reals 14
//                  input x cat_1
//                  output selected add_31
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plugins/operators.h"

namespace tft {

/// The runtime that a graph is fused for: each finds our operators in another way.
enum class FusedFor { TENSORRT, ONNXRUNTIME };

/// The domain of our operators in a graph for ONNX Runtime.
constexpr const char* kFusedDomain = "tft";

/// A part that the runtime's own kernels run, and the reason.
struct UnfusedRegion {
  std::string name;
  std::string why;
};

/// A node for ONNX Runtime. Its operator type has no other node, so that its inputs, outputs and attributes
/// are the type's.
struct FusedNode {
  std::string type;
  std::string op;  // for plugins::make_operator, with the attributes
  plugins::Attributes attributes;
};

struct FusedGraph {
  std::string model;               // the changed file; empty if nothing changed
  std::vector<std::string> fused;  // the names of the parts that run on kernels
  std::vector<UnfusedRegion> unfused;
  std::vector<FusedNode> nodes;  // for ONNX Runtime, in the order of `fused`
};

/// Fuses the content of an ONNX file. Other content is left unchanged, and the parser reports what is wrong.
///
/// ONNX Runtime has no folder to find the weights of another file in, so such a graph is not fused for it.
FusedGraph fuse_graph(std::string_view model, FusedFor runtime);

}  // namespace tft

// Hands parts of an ONNX graph to the kernels of cpp/plugins: in memory, a part's nodes become one node of
// the plugin's operator. The file stays a standard one, which ONNX Runtime runs.
//
// Which tensors bound a part stands in the file's metadata, written by the exporter; an LSTM needs no such
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

namespace tft {

/// A part that stays with TensorRT's own layers, and why.
struct UnfusedRegion {
  std::string name;
  std::string why;
};

struct FusedGraph {
  std::string model;               // the changed file; empty where nothing changed
  std::vector<std::string> fused;  // the names of the parts that kernels run
  std::vector<UnfusedRegion> unfused;
};

/// `model` is the content of an ONNX file. What is no such file comes back unchanged: the parser says what is
/// wrong.
FusedGraph fuse_graph(std::string_view model);

}  // namespace tft

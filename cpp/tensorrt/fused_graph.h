// Replaces parts of an ONNX graph by operators with kernels (cpp/plugins): in memory, a part's nodes become
// one node of the plugin's operator. The file remains a standard one that ONNX Runtime runs.
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

namespace tft {

/// A part that TensorRT's layers run, and the reason.
struct UnfusedRegion {
  std::string name;
  std::string why;
};

struct FusedGraph {
  std::string model;               // the changed file; empty if nothing changed
  std::vector<std::string> fused;  // the names of the parts that run on kernels
  std::vector<UnfusedRegion> unfused;
};

/// Fuses the content of an ONNX file. Other content is left unchanged, and the parser reports what is wrong.
FusedGraph fuse_graph(std::string_view model);

}  // namespace tft

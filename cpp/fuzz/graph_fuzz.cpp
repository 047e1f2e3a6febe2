// ONNX files as the builder reads and changes them: whatever the bytes, they are read within their bounds,
// what is written is a message again, and unchanged fields come back byte by byte.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "graph/fused_graph.h"
#include "graph/onnx_message.h"
#include "tensorrt/rtx_graph.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void read_all(std::string_view bytes, int depth) {
  const auto fields = tft::onnx::read_message(bytes);
  if (!fields || depth == 0) return;
  std::string again;
  for (const auto& field : *fields) {
    again += field.whole;
    if (field.wire_type == 2) read_all(field.content, depth - 1);
  }
  require(again == bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  read_all(bytes, 6);
  for (const auto runtime : {tft::FusedFor::TENSORRT, tft::FusedFor::ONNXRUNTIME}) {
    const tft::FusedGraph fused = tft::fuse_graph(bytes, runtime);
    if (fused.model.empty()) continue;
    require(tft::onnx::read_message(fused.model).has_value());
    require(!fused.fused.empty());
  }
  const std::string rewritten = tft::rewrite_for_rtx(bytes);
  if (!rewritten.empty()) {
    require(tft::onnx::read_message(rewritten).has_value());
    // There is nothing left to rewrite.
    require(tft::rewrite_for_rtx(rewritten).empty());
  }
  return 0;
}

// The bodies of the KServe v2 protocol's inference with Triton's binary tensor extension: JSON, or JSON
// followed by the tensors' bytes.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/inputs.h"

namespace tft::server {

/// The header with the number of bytes of JSON before the binary tensors.
inline constexpr const char* kHeaderLength = "inference-header-content-length";

/// An output that a client asks for.
struct AskedOutput {
  std::size_t index = 0;  // of the model's outputs
  bool is_binary = false;
};

struct InferRequest {
  Inputs inputs;
  std::optional<std::string> id;
  std::vector<AskedOutput> outputs;  // what to answer with, in order
  std::optional<double> timeout_ms;
};

struct InferAnswer {
  std::string body;
  std::optional<std::size_t> header;  // bytes of JSON, if binary tensors follow
};

/// The value of the header; nothing if there is none. Throws HTTP_BODY.
std::optional<std::size_t> header_length(std::optional<std::string_view> value, std::size_t most);

/// `header`: bytes of JSON before the binary tensors; nothing if the whole body is JSON. `most`: of series.
/// The inputs refer to the body. Throws HTTP_BODY, INPUT_…, HTTP_UNSUPPORTED, HTTP_TOO_LARGE,
/// HTTP_OVERLOADED.
InferRequest read_infer(std::string_view body, std::optional<std::size_t> header, const ServedModel& model,
                        std::size_t most, Holding& holding);

/// `values`: those of each of the model's outputs.
InferAnswer write_infer(const ServedModel& model, const InferRequest& request,
                        std::span<const std::span<const float>> values, int series);

/// A tensor as the protocol describes it, without the closing brace; `series` is -1 where it varies.
std::string wire_tensor(const TensorShape& tensor, int series);
const char* wire_type(ElementType type);

}  // namespace tft::server

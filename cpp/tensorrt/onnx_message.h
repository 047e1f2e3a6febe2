// Just enough of Protocol Buffers to change an ONNX file in memory: a message as the list of its fields, each
// with the bytes that it was read from, so that what is not understood is written back as it was.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tft::onnx {

/// A field of a message. Its text is in the buffer that the message was read from, which must outlive it.
struct Field {
  int number = 0;
  int wire_type = 0;         // 0: varint, 1: 64 bits, 2: length and bytes, 5: 32 bits
  std::uint64_t value = 0;   // of a varint
  std::string_view content;  // of what has a length
  std::string_view whole;    // tag and all
};

/// The fields in their order; nothing where the bytes are no message.
std::optional<std::vector<Field>> read_message(std::string_view bytes);

// Each appends one field to `out`.
void write_varint_field(std::string& out, int number, std::uint64_t value);
void write_bytes_field(std::string& out, int number, std::string_view content);
void write_float_field(std::string& out, int number, float value);

}  // namespace tft::onnx

// A minimal Protocol Buffers reader and writer to change an ONNX file in memory. A message is a list of
// fields, each with its original bytes, so that unknown fields are written back unchanged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tft::onnx {

/// A field of a message. It refers to the buffer that the message was read from, which must outlive it.
struct Field {
  int number = 0;
  int wire_type = 0;         // 0: varint, 1: 64 bits, 2: length and bytes, 5: 32 bits
  std::uint64_t value = 0;   // of a varint
  std::string_view content;  // of a field with a length
  std::string_view whole;    // including the tag
};

/// The fields in order; empty if the bytes are not a message.
std::optional<std::vector<Field>> read_message(std::string_view bytes);

// Each of these appends one field to `out`.
void write_varint_field(std::string& out, int number, std::uint64_t value);
void write_bytes_field(std::string& out, int number, std::string_view content);
void write_float_field(std::string& out, int number, float value);

}  // namespace tft::onnx

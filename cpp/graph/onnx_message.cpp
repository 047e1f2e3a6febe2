#include "graph/onnx_message.h"

#include <cstring>

namespace tft::onnx {
namespace {

constexpr int kVarint = 0, kBits64 = 1, kLength = 2, kBits32 = 5;

bool read_varint(std::string_view bytes, std::size_t& at, std::uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (at >= bytes.size()) return false;
    const auto byte = static_cast<unsigned char>(bytes[at++]);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

void write_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}

void write_tag(std::string& out, int number, int wire_type) {
  write_varint(out, static_cast<std::uint64_t>(number) << 3 | static_cast<std::uint64_t>(wire_type));
}

}  // namespace

std::optional<std::vector<Field>> read_message(std::string_view bytes) {
  std::vector<Field> fields;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t start = at;
    std::uint64_t tag = 0;
    if (!read_varint(bytes, at, tag) || tag >> 3 == 0 || tag >> 3 > 1U << 29) return std::nullopt;
    Field field;
    field.number = static_cast<int>(tag >> 3);
    field.wire_type = static_cast<int>(tag & 7);
    std::uint64_t length = 0;
    switch (field.wire_type) {
      case kVarint:
        if (!read_varint(bytes, at, field.value)) return std::nullopt;
        break;
      case kBits64:
        length = 8;
        break;
      case kBits32:
        length = 4;
        break;
      case kLength:
        if (!read_varint(bytes, at, length)) return std::nullopt;
        break;
      default:
        return std::nullopt;
    }
    if (length > bytes.size() - at) return std::nullopt;
    field.content = bytes.substr(at, length);
    at += length;
    field.whole = bytes.substr(start, at - start);
    fields.push_back(field);
  }
  return fields;
}

void write_varint_field(std::string& out, int number, std::uint64_t value) {
  write_tag(out, number, kVarint);
  write_varint(out, value);
}

void write_bytes_field(std::string& out, int number, std::string_view content) {
  write_tag(out, number, kLength);
  write_varint(out, content.size());
  out += content;
}

void write_float_field(std::string& out, int number, float value) {
  write_tag(out, number, kBits32);
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof bytes);
}

}  // namespace tft::onnx

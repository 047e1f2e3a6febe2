// Writes JSON: strings, and float32 values as the shortest decimals that read back as the same float32.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tft::server {

inline void append_quoted(std::string& out, std::string_view text) {
  constexpr const char* DIGITS = "0123456789abcdef";
  out += '"';
  for (const char byte : text) {
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += byte;
    } else if (static_cast<unsigned char>(byte) < 0x20) {
      out += "\\u00";
      out += DIGITS[byte >> 4];
      out += DIGITS[byte & 15];
    } else {
      out += byte;
    }
  }
  out += '"';
}

inline std::string json_quoted(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

/// The shortest decimal; NaN and the infinities, which JSON does not have, become null.
template <class Number>
void append_number(std::string& out, Number value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  if (value == 0) value = 0;  // no sign
  char text[32];
  // In the notation of JavaScript, which has no exponent for numbers of this size.
  const Number size = std::abs(value);
  const bool plain = size == 0 || (size >= Number(1e-6) && size < Number(1e15));
  const auto end = plain ? std::to_chars(text, text + sizeof text, value, std::chars_format::fixed).ptr
                         : std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr;
  out.append(text, end);
}

/// Appends the values as nested arrays, the innermost dimension last in `shape`.
void append_array(std::string& out, std::span<const float> values, std::span<const std::int64_t> shape);

}  // namespace tft::server

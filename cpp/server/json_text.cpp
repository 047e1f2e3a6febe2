// Writes predictions.
#include "server/json_text.h"

#include <vector>

namespace tft::server {

void append_array(std::string& out, std::span<const float> values, std::span<const std::int64_t> shape) {
  // The number of values inside a bracket of each level, outermost first.
  std::vector<std::size_t> inside(shape.size(), 1);
  for (std::size_t depth = shape.size(); depth-- > 0;)
    inside[depth] =
        static_cast<std::size_t>(shape[depth]) * (depth + 1 < shape.size() ? inside[depth + 1] : 1);
  if (values.empty()) {
    out += "[]";
    return;
  }
  for (std::size_t index = 0; index < values.size(); ++index) {
    if (index > 0) out += ',';
    for (const std::size_t size : inside)
      if (index % size == 0) out += '[';
    append_number(out, values[index]);
    for (const std::size_t size : inside)
      if ((index + 1) % size == 0) out += ']';
  }
}

}  // namespace tft::server

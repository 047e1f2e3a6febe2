// Reads a JSON array of numbers, nested or flat. Bodies consist of these, by the megabyte.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/budget.h"

namespace tft::server {

/// The numbers of one array, row by row, and their shape: [2, 3] for [[1, 2, 3], [4, 5, 6]].
struct NumberArray {
  std::vector<double> values;
  std::vector<std::int64_t> shape;
  std::size_t end = 0;  // the index after the array's last byte
};

/// `start`: the index of the array's bracket in `text`. `name`: its name in messages. `most`: the largest
/// number of numbers. `holding` counts its memory. Throws HTTP_BODY; INPUT_VALUE for an item that is not a
/// number; HTTP_TOO_LARGE.
NumberArray read_number_array(std::string_view text, std::size_t start, const std::string& name,
                              std::size_t most, Holding& holding);

}  // namespace tft::server

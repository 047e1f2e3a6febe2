// A request's tensors: where their values are, and the checks that every format shares.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "server/json_numbers.h"
#include "server/served_model.h"

namespace tft::server {

/// The input tensors of one request in the model's order. Moving it leaves the values in place.
class Inputs {
 public:
  explicit Inputs(const ServedModel& model) : model_(model), tensors_(model.inputs().size()) {}

  /// Uses values where they are; they must stay there.
  void refer(std::size_t input, const void* values, std::size_t count) {
    tensors_[input] = {values, count, {}};
  }
  void own(std::size_t input, std::vector<std::uint32_t> words) {
    Tensor& tensor = tensors_[input];
    tensor.words = std::move(words);
    tensor.values = tensor.words.data();
    tensor.count = tensor.words.size();
  }
  /// Converts numbers. Throws INPUT_CATEGORY for a code that is not whole.
  void convert(std::size_t input, const NumberArray& numbers);

  /// Checks lengths and batch, and returns the number of series. Throws INPUT_LENGTH, INPUT_BATCH,
  /// INPUT_EMPTY; INPUT_VALUE for a series of too few or too many steps; HTTP_TOO_LARGE for more than `most`.
  int series(std::size_t most) const;
  std::vector<const void*> pointers() const;

 private:
  struct Tensor {
    const void* values = nullptr;
    std::size_t count = 0;
    std::vector<std::uint32_t> words;  // of values that are its own
  };

  void check_steps(std::size_t input, std::size_t series) const;

  const ServedModel& model_;
  std::vector<Tensor> tensors_;
};

/// The error for a value that the engine refused: its tensor, place, channel and what is expected.
HttpError bad_value_error(const ServedModel& model, const BadValue& bad);

/// The names of all inputs, for messages.
std::string input_names(const ServedModel& model);

}  // namespace tft::server

// Converts and checks a request's tensors. The messages are those of the Node service.
#include "server/inputs.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "server/json_text.h"

namespace tft::server {
namespace {

/// A number as JavaScript writes it.
std::string written(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  std::string text;
  append_number(text, value);
  return text;
}

/// As JavaScript's Int32Array: what does not fit becomes another number, which the caller notices.
std::int32_t to_code(double value) {
  if (!(value >= std::numeric_limits<std::int32_t>::min() &&
        value <= std::numeric_limits<std::int32_t>::max()))
    return 0;
  return static_cast<std::int32_t>(value);
}

}  // namespace

void Inputs::convert(std::size_t input, const NumberArray& numbers) {
  const TensorShape& spec = model_.inputs()[input];
  std::vector<std::uint32_t> words(numbers.values.size());
  for (std::size_t i = 0; i < words.size(); ++i) {
    const double value = numbers.values[i];
    if (spec.type == ElementType::FLOAT32) {
      words[i] = std::bit_cast<std::uint32_t>(static_cast<float>(value));
      continue;
    }
    const std::int32_t code = to_code(value);
    if (code != value)
      throw HttpError(Code::INPUT_CATEGORY, spec.name + "[" + std::to_string(i) + "] is " + written(value) +
                                                "; a whole number is expected");
    words[i] = std::bit_cast<std::uint32_t>(code);
  }
  own(input, std::move(words));
}

int Inputs::series(std::size_t most) const {
  std::string found;
  std::size_t first = 0;
  bool differ = false;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const TensorShape& spec = model_.inputs()[i];
    const std::size_t size = ServedModel::size_of(spec);
    const std::size_t count = tensors_[i].count;
    if (count % size != 0)
      throw HttpError(Code::INPUT_LENGTH, spec.name + ": found length " + std::to_string(count) +
                                              ", expected a multiple of " + std::to_string(size) + " (" +
                                              std::to_string(spec.item[0]) + " steps × " +
                                              std::to_string(spec.item[1]) + " values for each series)");
    const std::size_t series = count / size;
    if (i == 0) first = series;
    differ = differ || series != first;
    found += (i == 0 ? "" : ", ") + spec.name + " " + std::to_string(series);
  }
  if (differ)
    throw HttpError(Code::INPUT_BATCH,
                    "the tensors hold different numbers of series: " + found + "; all must hold the same");
  if (first == 0) throw HttpError(Code::INPUT_EMPTY, "the batch is empty; at least one series is expected");
  if (first > most)
    throw HttpError(Code::HTTP_TOO_LARGE, "the request has " + std::to_string(first) + " series; at most " +
                                              std::to_string(most) +
                                              " are allowed in one request. Send several");
  if (const auto input = model_.description.lengths_input) check_steps(*input, first);
  return static_cast<int>(first);
}

/// Of models that take fewer steps than all: how many each series has.
void Inputs::check_steps(std::size_t input, std::size_t series) const {
  const int least = model_.description.min_encoder_length;
  const auto most = static_cast<int>(model_.inputs().front().item[0]);
  for (std::size_t i = 0; i < series; ++i) {
    std::int32_t found = 0;
    std::memcpy(&found, static_cast<const char*>(tensors_[input].values) + i * sizeof(found), sizeof(found));
    if (found >= least && found <= most) continue;
    throw HttpError(Code::INPUT_VALUE, model_.inputs()[input].name + "[" + std::to_string(i) + "] (series " +
                                           std::to_string(i) + ") is " + std::to_string(found) +
                                           "; a number of steps from " + std::to_string(least) + " to " +
                                           std::to_string(most) + " is expected");
  }
}

std::vector<const void*> Inputs::pointers() const {
  std::vector<const void*> pointers;
  for (const Tensor& tensor : tensors_) pointers.push_back(tensor.values);
  return pointers;
}

HttpError bad_value_error(const ServedModel& model, const BadValue& bad) {
  const auto input = static_cast<std::size_t>(bad.input);
  const TensorShape& spec = model.inputs()[input];
  const std::size_t size = ServedModel::size_of(spec);
  const auto channels = static_cast<std::size_t>(spec.item[1]);
  const std::size_t channel = bad.index % channels;
  const std::vector<std::string>& names = model.description.channels[input];
  const bool is_code = !spec.codes.empty();
  const std::string of = channel >= names.size() ? "channel " + std::to_string(channel)
                                                 : (is_code ? "category '" : "'") + names[channel] + "'";
  const std::string expected = is_code ? "a code from 0 to " + std::to_string(spec.codes[channel] - 1)
                                       : std::string("a finite number");
  return {is_code ? Code::INPUT_CATEGORY : Code::INPUT_VALUE,
          spec.name + "[" + std::to_string(bad.index) + "] (series " + std::to_string(bad.index / size) +
              ", step " + std::to_string(bad.index % size / channels) + ", " + of + ") is " +
              written(bad.value) + "; " + expected + " is expected"};
}

std::string input_names(const ServedModel& model) {
  std::string names;
  for (const TensorShape& input : model.inputs()) names += (names.empty() ? "" : ", ") + input.name;
  return names;
}

}  // namespace tft::server

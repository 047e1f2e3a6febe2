// Reads and writes the JSON of POST /predict.
#include "server/predict_format.h"

#include <vector>

#include "server/json_body.h"
#include "server/json_text.h"

namespace tft::server {
namespace {

/// Flat, one row for each series, [series, steps, channels], or [steps, channels] for a single series.
void check_nesting(const TensorShape& spec, const NumberArray& numbers) {
  const std::int64_t steps = spec.item[0];
  const std::int64_t channels = spec.item[1];
  const auto count = static_cast<std::int64_t>(numbers.values.size());
  const std::int64_t series = count / (steps * channels);
  using Shape = std::vector<std::int64_t>;
  const Shape& found = numbers.shape;
  if (found.size() == 1 || found == Shape{steps, channels} ||
      (series * steps * channels == count &&
       (found == Shape{series, steps * channels} || found == Shape{series, steps, channels})))
    return;
  std::string text;
  for (const std::int64_t size : found) text += (text.empty() ? "" : ", ") + std::to_string(size);
  throw bad_body(spec.name + " has the shape [" + text + "]; [series, " + std::to_string(steps) + ", " +
                 std::to_string(channels) + "], or the same numbers in a flat array, is expected");
}

}  // namespace

Inputs read_predict(std::string_view body, const ServedModel& model, std::size_t most, Holding& holding) {
  const std::string names = input_names(model);
  JsonRules rules{{}, model.inputs().size(), most * model.largest_input(), names};
  for (const TensorShape& input : model.inputs()) rules.keys.push_back(input.name);
  const JsonBody parsed = parse_body(body, rules, holding);
  const JsonObject request(parsed.root, "the request");
  for (const auto& [key, value] : request.members())
    if (std::find(rules.keys.begin(), rules.keys.end(), key) == rules.keys.end())
      throw bad_body("'" + std::string(key.substr(0, 40)) + "' is unknown; " + names + " are expected");
  Inputs inputs(model);
  for (std::size_t i = 0; i < model.inputs().size(); ++i) {
    const TensorShape& spec = model.inputs()[i];
    const NumberArray* const numbers = parsed.array_at(request.get(spec.name));
    if (numbers == nullptr) throw bad_body(spec.name + " is missing; an array of numbers is expected");
    check_nesting(spec, *numbers);
    inputs.convert(i, *numbers);
  }
  return inputs;
}

std::string write_predict(const ServedModel& model, std::span<const float> predictions, int series) {
  const std::vector<std::int64_t> shape = {series, model.predictions().item[0], model.predictions().item[1]};
  std::string out = "{\"model\":";
  constexpr std::size_t BYTES_A_NUMBER = 14;
  out.reserve(512 + predictions.size() * BYTES_A_NUMBER);
  append_quoted(out, model.name);
  out += ",\"version\":";
  append_quoted(out, model.version);
  out += ",\"target\":";
  append_quoted(out, model.description.target);
  out += ",\"step_minutes\":";
  append_number(out, model.description.step_minutes);
  out += ",\"quantiles\":[";
  for (std::size_t i = 0; i < model.description.quantiles.size(); ++i) {
    if (i > 0) out += ',';
    append_number(out, model.description.quantiles[i]);
  }
  out += "],\"shape\":[" + std::to_string(shape[0]) + ',' + std::to_string(shape[1]) + ',' +
         std::to_string(shape[2]) + "],\"predictions\":";
  append_array(out, predictions, shape);
  out += '}';
  return out;
}

}  // namespace tft::server

// Reads model.json.
#include "bundle/model.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

namespace tft::bundle {
namespace {

namespace fs = std::filesystem;
using Element = simdjson::dom::element;
using Array = simdjson::dom::array;

/// Thrown inside this file alone.
struct Problem {
  std::string text;
};

/// A tensor that every model has, and the fields of model.json that give its sizes.
struct Common {
  const char* name;
  const char* steps;
  const char* channels;
};
constexpr std::array kInputs = {
    Common{"encoder_cont", "encoderLength", "metrics"}, Common{"encoder_cat", "encoderLength", "categories"},
    Common{"decoder_cont", "horizon", "known"}, Common{"decoder_cat", "horizon", "categories"}};
constexpr std::array kOutputs = {Common{"predictions", "horizon", "quantiles"}};
constexpr const char* kStatics = "static_cont";
constexpr const char* kLengths = "encoder_lengths";

template <class T>
T need(Element from, const char* key) {
  T value;
  if (from[key].get(value) != simdjson::SUCCESS)
    throw Problem{std::string(key) + ": is missing or of a wrong type"};
  return value;
}

std::string need_text(Element from, const char* key) {
  return std::string(need<std::string_view>(from, key));
}

/// The names of a list's items, which are names themselves or have one.
std::vector<std::string> names_in(Element model, const char* key) {
  std::vector<std::string> names;
  Array list;
  if (model[key].get(list) != simdjson::SUCCESS) return names;
  for (const Element item : list) {
    std::string_view name;
    if (item.get(name) != simdjson::SUCCESS && item["name"].get(name) != simdjson::SUCCESS)
      throw Problem{std::string(key) + ": an item has no name"};
    names.emplace_back(name);
  }
  return names;
}

std::vector<std::int32_t> codes_in(Element model) {
  std::vector<std::int32_t> codes;
  for (const Element category : need<Array>(model, "categories"))
    codes.push_back(static_cast<std::int32_t>(
        std::max<std::size_t>(need<simdjson::dom::object>(category, "codes").size(), 1)));
  return codes;
}

std::size_t size_of(Element model, const char* key) {
  std::int64_t number = 0;
  if (model[key].get(number) == simdjson::SUCCESS)
    return static_cast<std::size_t>(std::max<std::int64_t>(number, 0));
  return need<Array>(model, key).size();
}

TensorShape read_tensor(Element item) {
  TensorShape tensor;
  tensor.name = need_text(item, "name");
  const std::string type = need_text(item, "type");
  if (type != "float32" && type != "int32")
    throw Problem{"'" + tensor.name + "': the type " + type + " is unknown"};
  tensor.type = type == "float32" ? ElementType::FLOAT32 : ElementType::INT32;
  bool first = true;
  for (const Element size : need<Array>(item, "shape")) {
    std::int64_t number = 0;
    if (!first && (size.get(number) != simdjson::SUCCESS || number < 1))
      throw Problem{"'" + tensor.name + "': its sizes must be whole numbers above 0"};
    if (!first) tensor.item.push_back(number);
    first = false;
  }
  if (tensor.item.size() != 2)
    throw Problem{"'" + tensor.name + "': the shape must be [batch, steps, channels]"};
  return tensor;
}

/// The tensors of one side, those that every model has first.
template <std::size_t N>
std::vector<TensorShape> read_tensors(Element model, const char* side, const std::array<Common, N>& common) {
  std::vector<TensorShape> listed;
  for (const Element item : need<Array>(model, side)) listed.push_back(read_tensor(item));
  std::vector<TensorShape> tensors;
  for (const Common& expected : common) {
    const auto found = std::find_if(listed.begin(), listed.end(),
                                    [&](const TensorShape& one) { return one.name == expected.name; });
    if (found == listed.end()) throw Problem{std::string(side) + ": '" + expected.name + "' is missing"};
    const std::vector<std::int64_t> item = {static_cast<std::int64_t>(size_of(model, expected.steps)),
                                            static_cast<std::int64_t>(size_of(model, expected.channels))};
    const bool is_category = std::string_view(expected.channels) == "categories";
    if (found->item != item || (found->type == ElementType::INT32) != is_category)
      throw Problem{std::string(side) + "." + expected.name +
                    ": the rest of the file says another type or shape"};
    tensors.push_back(std::move(*found));
    listed.erase(found);
  }
  for (TensorShape& other : listed) tensors.push_back(std::move(other));
  return tensors;
}

Model describe(Element json, const std::string& directory) {
  if (need<std::int64_t>(json, "schemaVersion") != 1)
    throw Problem{"schemaVersion: must be 1: this file is from another version of the exporter"};
  Model model;
  model.directory = directory;
  model.name = need_text(json, "name");
  model.target = need_text(json, "target");
  model.step_minutes = need<double>(json, "stepMinutes");
  for (const Element quantile : need<Array>(json, "quantiles")) {
    double value = 0;
    if (quantile.get(value) != simdjson::SUCCESS || value <= 0 || value >= 1)
      throw Problem{"quantiles: must be between 0 and 1"};
    model.quantiles.push_back(value);
  }
  model.shape.inputs = read_tensors(json, "inputs", kInputs);
  model.shape.outputs = read_tensors(json, "outputs", kOutputs);
  const std::vector<std::int32_t> codes = codes_in(json);
  for (std::size_t i = 0; i < model.shape.inputs.size(); ++i) {
    TensorShape& tensor = model.shape.inputs[i];
    const bool common = i < kInputs.size();
    if (common && tensor.type == ElementType::INT32) tensor.codes = codes;
    if (tensor.name == kLengths) {
      if (tensor.type != ElementType::INT32 || tensor.item != std::vector<std::int64_t>{1, 1})
        throw Problem{"inputs.encoder_lengths: must be int32 [batch, 1, 1]"};
      model.min_encoder_length = static_cast<int>(need<std::int64_t>(json, "minEncoderLength"));
      model.lengths_input = i;
    }
    model.channels.push_back(common                    ? names_in(json, kInputs[i].channels)
                             : tensor.name == kStatics ? names_in(json, "statics")
                                                       : std::vector<std::string>());
  }
  const Element file = need<simdjson::dom::element>(need<simdjson::dom::element>(json, "files"), "onnx");
  const fs::path relative = need_text(file, "path");
  if (relative.is_absolute() || std::find(relative.begin(), relative.end(), "..") != relative.end())
    throw Problem{"files.onnx.path: must be a relative path inside the bundle"};
  model.onnx = fs::path(directory) / relative;
  model.onnx_bytes = static_cast<std::size_t>(need<std::int64_t>(file, "bytes"));
  model.onnx_sha256 = need_text(file, "sha256");
  return model;
}

}  // namespace

Result<Model> read_model(const std::string& path) {
  std::error_code ignored;
  const bool is_folder = fs::is_directory(path, ignored);
  if (!is_folder && !fs::exists(path, ignored))
    return Error{ErrorCode::MODEL_NOT_FOUND, "no model at " + path};
  const fs::path file = is_folder ? fs::path(path) / "model.json" : fs::path(path);
  simdjson::dom::parser parser;
  simdjson::padded_string text;
  if (simdjson::padded_string::load(file.string()).get(text) != simdjson::SUCCESS)
    return Error{ErrorCode::MODEL_NOT_FOUND,
                 file.string() + " cannot be read; it must be the bundle's description"};
  Element json;
  if (parser.parse(text).get(json) != simdjson::SUCCESS)
    return Error{ErrorCode::MODEL_INVALID, file.string() + " is not JSON"};
  try {
    return describe(json, file.parent_path());
  } catch (const Problem& problem) {
    return Error{ErrorCode::MODEL_INVALID, file.string() + ": " + problem.text};
  }
}

}  // namespace tft::bundle

// Reads and writes the protocol's bodies. The rules and messages are those of the Node service.
#include "server/infer_format.h"

#include <bit>
#include <cstring>
#include <limits>
#include <vector>

#include "server/json_body.h"
#include "server/json_text.h"

namespace tft::server {
namespace {

using Element = simdjson::dom::element;
using Maybe = std::optional<Element>;

constexpr std::size_t kMaxIdLength = 512;

static_assert(std::endian::native == std::endian::little, "binary tensors are little-endian");

/// The protocol's types of integers: numpy's default for whole numbers is INT64.
struct IntegerType {
  const char* name;
  std::size_t bytes;
  bool is_signed;
};
constexpr IntegerType kIntegers[] = {{"INT8", 1, true},    {"INT16", 2, true},  {"INT32", 4, true},
                                     {"INT64", 8, true},   {"UINT8", 1, false}, {"UINT16", 2, false},
                                     {"UINT32", 4, false}, {"UINT64", 8, false}};

const IntegerType* integer_type(std::string_view name) {
  for (const IntegerType& type : kIntegers)
    if (name == type.name) return &type;
  return nullptr;
}

std::string_view text_of(const Maybe& value) {
  std::string_view text;
  if (!value || value->get(text) != simdjson::SUCCESS) return {};
  return text;
}

JsonObject object_of(const Maybe& value, const std::string& what) {
  static const std::string EMPTY = "{}";
  if (value) return JsonObject(*value, what);
  thread_local simdjson::dom::parser parser;
  return JsonObject(parser.parse(EMPTY), what);
}

HttpError unsupported(const std::string& message) { return {Code::HTTP_UNSUPPORTED, message}; }

void refuse_shared_memory(const std::string& name, const JsonObject& parameters) {
  if (parameters.get("shared_memory_region"))
    throw unsupported("'" + name + "': shared memory is not offered; send the tensor in the body");
}

/// Checks datatype and shape, and returns the number of elements.
std::size_t check_declaration(const TensorShape& spec, const JsonObject& tensor) {
  const Maybe datatype = tensor.get("datatype");
  const std::string expected = wire_type(spec.type);
  const std::string_view found = text_of(datatype);
  // Whole numbers of another width are converted, as long as none is too large.
  if (found != expected && !(spec.type == ElementType::INT32 && integer_type(found) != nullptr))
    throw bad_body("input '" + spec.name + "': datatype is " + shown(datatype) + ", " + expected +
                   " is expected");
  const Maybe shape = tensor.get("shape");
  simdjson::dom::array list;
  std::vector<double> sizes;
  if (shape && shape->get(list) == simdjson::SUCCESS) {
    for (const Element item : list) {
      double size = -1;
      if (item.get(size) != simdjson::SUCCESS) size = -1;
      sizes.push_back(size);
      if (sizes.size() > 3) break;
    }
  }
  constexpr double LARGEST = 9007199254740991;  // the largest whole number that is certainly one
  const bool fits = sizes.size() == 3 && sizes[1] == static_cast<double>(spec.item[0]) &&
                    sizes[2] == static_cast<double>(spec.item[1]);
  if (!fits || sizes[0] < 1 || sizes[0] > LARGEST || sizes[0] != std::floor(sizes[0]))
    throw bad_body("input '" + spec.name + "': shape is " + shown(shape) + ", [series, " +
                   std::to_string(spec.item[0]) + ", " + std::to_string(spec.item[1]) +
                   "] with at least one series is expected");
  // More than any body has; the product must not overflow.
  constexpr double MOST = 1e12;
  return static_cast<std::size_t>(std::min(sizes[0], MOST)) * ServedModel::size_of(spec);
}

/// Integers of another type as int32.
std::vector<std::uint32_t> to_int32(const TensorShape& spec, const IntegerType& type,
                                    std::string_view bytes) {
  std::vector<std::uint32_t> words(bytes.size() / type.bytes);
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::uint64_t raw = 0;
    std::memcpy(&raw, bytes.data() + i * type.bytes, type.bytes);
    const std::size_t unused = 64 - 8 * type.bytes;
    const auto value = static_cast<std::int64_t>(raw << unused) >> unused;
    const bool fits = type.is_signed
                          ? value >= std::numeric_limits<std::int32_t>::min() &&
                                value <= std::numeric_limits<std::int32_t>::max()
                          : raw <= static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max());
    if (!fits)
      throw HttpError(Code::INPUT_CATEGORY,
                      spec.name + "[" + std::to_string(i) + "] is " +
                          (type.is_signed ? std::to_string(value) : std::to_string(raw)) +
                          ", which INT32 cannot hold");
    words[i] = static_cast<std::uint32_t>(raw);
    if (type.is_signed) words[i] = static_cast<std::uint32_t>(static_cast<std::int32_t>(value));
  }
  return words;
}

/// Reads the list of inputs.
class InputReader {
 public:
  InputReader(const ServedModel& model, const JsonBody& json, std::string_view bytes)
      : model_(model), json_(json), bytes_(bytes), found_(model.inputs().size()) {}

  Inputs read(const Maybe& list) {
    simdjson::dom::array items;
    if (!list || list->get(items) != simdjson::SUCCESS) throw bad_body("inputs must be an array of tensors");
    Inputs inputs(model_);
    std::size_t seen = 0;
    for (const Element item : items) {
      if (seen++ > model_.inputs().size()) break;
      read_one(JsonObject(item, "an input"), inputs);
    }
    if (from_ != bytes_.size())
      throw bad_body(std::to_string(bytes_.size() - from_) + " bytes after the JSON belong to no input");
    for (std::size_t i = 0; i < found_.size(); ++i)
      if (!found_[i])
        throw bad_body("input '" + model_.inputs()[i].name + "' is missing; " + input_names(model_) +
                       " are expected");
    return inputs;
  }

 private:
  void read_one(const JsonObject& tensor, Inputs& inputs) {
    const std::size_t input = find(tensor);
    const TensorShape& spec = model_.inputs()[input];
    if (found_[input]) throw bad_body("input '" + spec.name + "' is there twice");
    found_[input] = true;
    const std::size_t length = check_declaration(spec, tensor);
    const JsonObject parameters = object_of(tensor.get("parameters"), "parameters");
    refuse_shared_memory(spec.name, parameters);
    const Maybe size = parameters.get("binary_data_size");
    const Maybe data = tensor.get("data");
    if (!size) return read_json(input, data, length, inputs);

    const std::string_view datatype = text_of(tensor.get("datatype"));
    const IntegerType* const converted = datatype == wire_type(spec.type) ? nullptr : integer_type(datatype);
    const std::size_t needed = length * (converted != nullptr ? converted->bytes : 4);
    double given = -1;
    if (size->get(given) != simdjson::SUCCESS || given != static_cast<double>(needed))
      throw bad_body("input '" + spec.name + "': binary_data_size is " + shown(size) +
                     ", but its shape needs " + std::to_string(needed) + " bytes");
    if (data) throw bad_body("input '" + spec.name + "' has both data and binary_data_size");
    if (needed > bytes_.size() - from_)
      throw bad_body("input '" + spec.name + "' ends " + std::to_string(from_ + needed) +
                     " bytes after the JSON, but there are only " + std::to_string(bytes_.size()));
    const std::string_view part = bytes_.substr(from_, needed);
    if (converted != nullptr)
      inputs.own(input, to_int32(spec, *converted, part));
    else
      inputs.refer(input, part.data(), length);
    from_ += needed;
  }

  void read_json(std::size_t input, const Maybe& data, std::size_t length, Inputs& inputs) const {
    const TensorShape& spec = model_.inputs()[input];
    const NumberArray* const numbers = json_.array_at(data);
    if (numbers == nullptr)
      throw bad_body("input '" + spec.name + "' has neither data nor the parameter binary_data_size");
    if (numbers->values.size() != length)
      throw bad_body("input '" + spec.name + "' has " + std::to_string(numbers->values.size()) +
                     " numbers, but its shape needs " + std::to_string(length));
    inputs.convert(input, *numbers);
  }

  std::size_t find(const JsonObject& tensor) const {
    const Maybe name = tensor.get("name");
    const std::string_view text = text_of(name);
    for (std::size_t i = 0; i < model_.inputs().size(); ++i)
      if (model_.inputs()[i].name == text) return i;
    throw bad_body("input " + shown(name) + " is unknown; " + input_names(model_) + " are expected");
  }

  const ServedModel& model_;
  const JsonBody& json_;
  const std::string_view bytes_;
  std::size_t from_ = 0;
  std::vector<bool> found_;
};

bool boolean_of(const Maybe& value, bool fallback, const char* name) {
  if (!value) return fallback;
  bool flag = false;
  if (value->get(flag) != simdjson::SUCCESS) throw bad_body(std::string(name) + " must be true or false");
  return flag;
}

std::string names_of(const std::vector<TensorShape>& tensors) {
  std::string names;
  for (const TensorShape& tensor : tensors) names += (names.empty() ? "" : ", ") + tensor.name;
  return names;
}

/// The outputs that the client asks for, each as bytes or as numbers; all of the model if it names none.
std::vector<AskedOutput> read_outputs(const Maybe& outputs, const JsonObject& asked,
                                      const ServedModel& model) {
  const bool all = boolean_of(asked.get("binary_data_output"), false, "binary_data_output");
  const std::vector<TensorShape>& known = model.outputs();
  std::vector<AskedOutput> found;
  simdjson::dom::array list;
  if (outputs && outputs->get(list) != simdjson::SUCCESS) throw bad_body("outputs must be an array");
  if (!outputs || list.size() == 0) {
    for (std::size_t index = 0; index < known.size(); ++index) found.push_back({index, all});
    return found;
  }
  if (list.size() > known.size())
    throw bad_body(std::to_string(list.size()) + " outputs are requested, the model has " +
                   std::to_string(known.size()) + ": " + names_of(known));
  for (const Element item : list) {
    const JsonObject output(item, "an output");
    const std::string_view name = text_of(output.get("name"));
    std::size_t index = 0;
    while (index < known.size() && known[index].name != name) ++index;
    if (index == known.size())
      throw bad_body("output " + shown(output.get("name")) + " is unknown; the model has " + names_of(known));
    for (const AskedOutput& other : found)
      if (other.index == index) throw bad_body("output '" + known[index].name + "' is there twice");
    const JsonObject parameters = object_of(output.get("parameters"), "parameters");
    refuse_shared_memory(known[index].name, parameters);
    if (parameters.get("classification"))
      throw unsupported("classification is for outputs of classes; predictions are quantiles");
    found.push_back({index, boolean_of(parameters.get("binary_data"), all, "binary_data")});
  }
  return found;
}

/// Triton's parameter timeout, in microseconds; 0 means none.
std::optional<double> timeout_of(const JsonObject& asked) {
  const Maybe timeout = asked.get("timeout");
  if (!timeout) return std::nullopt;
  double microseconds = 0;
  constexpr double LARGEST = 9007199254740991;
  if (timeout->get(microseconds) != simdjson::SUCCESS || microseconds < 0 || microseconds > LARGEST ||
      microseconds != std::floor(microseconds))
    throw bad_body("the parameter timeout is " + shown(timeout) + "; whole microseconds are expected");
  if (microseconds == 0) return std::nullopt;
  return microseconds / 1000;
}

}  // namespace

std::optional<std::size_t> header_length(std::optional<std::string_view> value, std::size_t most) {
  if (!value) return std::nullopt;
  std::uint64_t length = 0;
  const char* const end = value->data() + value->size();
  const auto [at, problem] = std::from_chars(value->data(), end, length);
  constexpr std::size_t MAX_DIGITS = 15;
  if (problem != std::errc() || at != end || value->size() > MAX_DIGITS)
    throw bad_body("Inference-Header-Content-Length must be a whole number of bytes, found '" +
                   std::string(*value) + "'");
  if (length > most)
    throw bad_body("Inference-Header-Content-Length " + std::string(*value) + " is larger than any body");
  return length;
}

InferRequest read_infer(std::string_view body, std::optional<std::size_t> header, const ServedModel& model,
                        std::size_t most, Holding& holding) {
  if (header && *header > body.size())
    throw bad_body("Inference-Header-Content-Length says " + std::to_string(*header) +
                   " bytes of JSON, but the body has " + std::to_string(body.size()) + " bytes");
  const std::string_view json = body.substr(0, header.value_or(body.size()));
  const JsonRules rules{{"data"},
                        model.inputs().size(),
                        most * model.largest_input(),
                        "tensors with name, shape, datatype and data in inputs"};
  const JsonBody parsed = parse_body(json, rules, holding);
  const JsonObject request(parsed.root, "the request");
  const Maybe id = request.get("id");
  std::string_view id_text;
  if (id && (id->get(id_text) != simdjson::SUCCESS || id_text.size() > kMaxIdLength))
    throw bad_body("id must be a string of at most " + std::to_string(kMaxIdLength) + " characters");
  const JsonObject asked = object_of(request.get("parameters"), "parameters");
  return {InputReader(model, parsed, body.substr(json.size())).read(request.get("inputs")),
          id ? std::optional<std::string>(id_text) : std::nullopt,
          read_outputs(request.get("outputs"), asked, model), timeout_of(asked)};
}

InferAnswer write_infer(const ServedModel& model, const InferRequest& request,
                        std::span<const std::span<const float>> values, int series) {
  InferAnswer answer;
  std::string& out = answer.body;
  constexpr std::size_t BYTES_A_NUMBER = 14;
  std::size_t bytes = 512;
  for (const AskedOutput& asked : request.outputs)
    bytes += 128 + values[asked.index].size() * (asked.is_binary ? sizeof(float) : BYTES_A_NUMBER);
  out.reserve(bytes);
  out += "{\"model_name\":";
  append_quoted(out, model.name);
  out += ",\"model_version\":";
  append_quoted(out, model.version);
  if (request.id) {
    out += ",\"id\":";
    append_quoted(out, *request.id);
  }
  out += ",\"outputs\":[";
  bool has_binary = false;
  for (const AskedOutput& asked : request.outputs) {
    const std::span<const float> numbers = values[asked.index];
    if (out.back() == '}') out += ',';
    out += wire_tensor(model.outputs()[asked.index], series);
    if (asked.is_binary) {
      out += ",\"parameters\":{\"binary_data_size\":" + std::to_string(numbers.size_bytes()) + "}}";
      has_binary = true;
    } else {
      out += ",\"data\":";
      append_array(out, numbers, std::vector<std::int64_t>{static_cast<std::int64_t>(numbers.size())});
      out += '}';
    }
  }
  out += "]}";
  if (!has_binary) return answer;
  answer.header = out.size();
  for (const AskedOutput& asked : request.outputs)
    if (asked.is_binary)
      out.append(reinterpret_cast<const char*>(values[asked.index].data()), values[asked.index].size_bytes());
  return answer;
}

std::string wire_tensor(const TensorShape& tensor, int series) {
  return "{\"name\":" + json_quoted(tensor.name) + ",\"datatype\":\"" + wire_type(tensor.type) +
         "\",\"shape\":[" + std::to_string(series) + ',' + std::to_string(tensor.item[0]) + ',' +
         std::to_string(tensor.item[1]) + ']';
}

const char* wire_type(ElementType type) { return type == ElementType::FLOAT32 ? "FP32" : "INT32"; }

}  // namespace tft::server

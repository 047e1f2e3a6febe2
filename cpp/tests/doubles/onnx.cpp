// A reader of protobuf's wire format, and of a few fields of onnx.proto.
#include "onnx.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <set>

namespace doubles {
namespace {

/// Walks the fields of one message.
class Message {
 public:
  explicit Message(std::string_view content) : rest_(content) {}

  /// Reads the next field. Returns false at the end, or if the bytes are not a message (then `sound` is
  /// false).
  bool next() {
    if (rest_.empty() || !sound) return false;
    std::uint64_t key = 0;
    if (!varint(key)) return false;
    field = static_cast<int>(key >> 3);
    bytes = {};
    number = 0;
    switch (key & 7) {
      case 0:
        return varint(number);
      case 1:
        return take(8);
      case 2: {
        std::uint64_t length = 0;
        return varint(length) && take(length);
      }
      case 5:
        return take(4);
      default:
        return sound = false;
    }
  }

  int field = 0;
  std::uint64_t number = 0;
  std::string_view bytes;
  bool sound = true;

 private:
  bool varint(std::uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 127u} << shift;
      if (byte < 128) return true;
    }
    return sound = false;
  }
  bool take(std::uint64_t length) {
    if (length > rest_.size()) return sound = false;
    bytes = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return true;
  }

  std::string_view rest_;
};

/// Calls `use(field, message)` for each field. Returns whether the bytes are a message and every `use`
/// succeeded.
template <class Use>
bool each(std::string_view bytes, Use use) {
  Message message(bytes);
  while (message.next())
    if (!use(message.field, message)) return false;
  return message.sound;
}

std::string onnx_type(std::uint64_t type) {
  switch (type) {
    case 1:
      return "float32";
    case 3:
      return "int8";
    case 6:
      return "int32";
    case 7:
      return "int64";
    case 10:
      return "float16";
    default:
      return "bool";
  }
}

/// TensorShapeProto's dimension: a value, or a name.
bool read_dim(std::string_view bytes, PlanTensor& tensor) {
  std::int64_t dim = -1;
  const bool read = each(bytes, [&](int field, const Message& value) {
    if (field == 1) dim = static_cast<std::int64_t>(value.number);
    return true;
  });
  tensor.dims.push_back(dim);
  return read;
}

/// ValueInfoProto: name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 } } }.
bool read_value_info(std::string_view bytes, PlanTensor& tensor) {
  const auto tensor_type = [&](int field, const Message& type) {
    if (field == 1) tensor.type = onnx_type(type.number);
    if (field != 2) return true;
    return each(type.bytes,
                [&](int part, const Message& shape) { return part != 1 || read_dim(shape.bytes, tensor); });
  };
  return each(bytes, [&](int field, const Message& info) {
    if (field == 1) tensor.name = info.bytes;
    if (field != 2) return true;
    return each(info.bytes,
                [&](int kind, const Message& type) { return kind != 1 || each(type.bytes, tensor_type); });
  });
}

/// AttributeProto: name 1, float 2, int 3, string 4, type 20.
bool read_attribute(std::string_view bytes, OnnxNode& node) {
  constexpr std::uint64_t type_float = 1, type_int = 2, type_string = 3;
  std::string name, text;
  float real = 0;
  std::uint64_t integer = 0, type = 0;
  const bool read = each(bytes, [&](int field, const Message& value) {
    if (field == 1) name = value.bytes;
    if (field == 2 && value.bytes.size() == sizeof real) std::memcpy(&real, value.bytes.data(), sizeof real);
    if (field == 3) integer = value.number;
    if (field == 4) text = value.bytes;
    if (field == 20) type = value.number;
    return true;
  });
  if (type == type_float) node.numbers.push_back({name, "float32", {}, {real}});
  if (type == type_int) node.numbers.push_back({name, "int32", {static_cast<std::int32_t>(integer)}, {}});
  if (type == type_string) node.texts[name] = text;
  return read;
}

}  // namespace

std::optional<OnnxModel> read_onnx(std::string_view bytes) {
  OnnxModel model;
  std::vector<PlanTensor> inputs;
  std::vector<PlanTensor> outputs;
  std::set<std::string> initializers;
  bool graph = false;
  const auto read_graph = [&](int field, const Message& part) {
    if (field == 1) {  // node
      OnnxNode& node = model.nodes.emplace_back();
      return each(part.bytes, [&](int which, const Message& value) {
        if (which == 3) node.name = value.bytes;
        if (which == 4) node.op = value.bytes;
        return which != 5 || read_attribute(value.bytes, node);
      });
    }
    if (field == 5)  // initializer
      return each(part.bytes, [&](int which, const Message& value) {
        if (which == 8) initializers.emplace(value.bytes);
        return true;
      });
    if (field != 11 && field != 12) return true;
    PlanTensor& tensor = (field == 11 ? inputs : outputs).emplace_back();
    tensor.input = field == 11;
    return read_value_info(part.bytes, tensor);
  };
  const bool read = each(bytes, [&](int field, const Message& part) {
    if (field != 7) return true;
    graph = true;
    return each(part.bytes, read_graph);
  });
  if (!read || !graph || outputs.empty()) return std::nullopt;
  std::erase_if(inputs, [&](const PlanTensor& input) { return initializers.contains(input.name); });
  model.tensors = std::move(inputs);
  model.tensors.insert(model.tensors.end(), outputs.begin(), outputs.end());
  return model;
}

}  // namespace doubles

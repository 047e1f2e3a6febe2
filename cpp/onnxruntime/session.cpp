// Loads an ONNX file, with our kernels for what they support, compares its tensors with the model's, and runs
// it.
#include "onnxruntime/session.h"

#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "cpu/kernels.h"
#include "graph/fused_graph.h"

namespace tft::onnxruntime {
namespace {

/// Frees values when it goes out of scope.
class Values {
 public:
  explicit Values(const Api& api) : api_(api) {}
  ~Values() {
    for (Value* value : list_) api_.release_value(value);
  }
  Values(const Values&) = delete;
  Values& operator=(const Values&) = delete;
  Value*& add() { return list_.emplace_back(nullptr); }
  Value** data() { return list_.data(); }
  std::size_t size() const { return list_.size(); }

 private:
  const Api& api_;
  std::vector<Value*> list_;
};

/// Frees what it holds when it goes out of scope.
class Options {
 public:
  explicit Options(const Api& api) : api_(api) {}
  ~Options() {
    if (held_ != nullptr) api_.release_session_options(held_);
  }
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;
  SessionOptions* get() const { return held_; }
  /// Returns what went wrong; empty for success.
  std::string make(const Library& library) {
    std::string problem = library.message(api_.create_session_options(&held_));
    // A lane is one thread: threads that share a run of this small network wait for each other.
    if (problem.empty()) problem = library.message(api_.set_intra_op_threads(held_, 1));
    if (problem.empty()) problem = library.message(api_.set_inter_op_threads(held_, 1));
    return problem;
  }

 private:
  const Api& api_;
  SessionOptions* held_ = nullptr;
};

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

int kind_of(ElementType type) { return type == ElementType::FLOAT32 ? kFloat : kInt32; }

std::vector<std::int64_t> with_batch(std::int64_t batch, const std::vector<std::int64_t>& item) {
  std::vector<std::int64_t> shape{batch};
  shape.insert(shape.end(), item.begin(), item.end());
  return shape;
}

/// "float32 [batch, 288, 14]", in the words of src/backends/onnxruntime/session.ts.
std::string text_of(int kind, const std::vector<std::int64_t>& shape) {
  std::string text = kind == kFloat ? "float32" : kind == kInt32 ? "int32" : "another type";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::string length = std::to_string(shape[i]);
    // The first dimension is the batch, which varies.
    text += i > 0 ? ", " + length : shape[i] < 1 ? " [batch" : " [batch fixed at " + length;
  }
  return text + (shape.empty() ? "" : "]");
}

}  // namespace

Result<std::unique_ptr<Session>> Session::load(const std::string& onnx, const ModelShape& shape, bool kernels,
                                               const Log& log) {
  const Library* const library = onnxruntime::library();
  if (library == nullptr) return Error{ErrorCode::BACKEND_UNAVAILABLE, "ONNX Runtime is not open"};
  const Api& api = library->api;
  std::unique_ptr<Session> made(new Session(*library, shape));
  if (kernels) made->load_fused(onnx, log);
  if (made->session_ == nullptr) {
    Options options(api);
    std::string problem = options.make(*library);
    if (problem.empty())
      problem =
          library->message(api.create_session(library->env, onnx.c_str(), options.get(), &made->session_));
    if (!problem.empty())
      return Error{ErrorCode::MODEL_INVALID, "ONNX Runtime cannot load " + onnx + ": " + problem};
  }
  if (auto same = made->check(onnx); !same) return same.error();
  return made;
}

void Session::load_fused(const std::string& onnx, const Log& log) {
  const auto say = [&log](LogLevel level, const std::string& message) {
    if (log) log(level, message);
  };
  const std::string stay = "; ONNX Runtime's kernels run ";
  const FusedGraph fused = fuse_graph(content_of(onnx), FusedFor::ONNXRUNTIME);
  // No warning, unlike the builder's: a model is built once, but loaded often.
  for (const UnfusedRegion& region : fused.unfused)
    say(LogLevel::INFO, "no kernel for " + region.name + ": " + region.why + stay + "it");
  if (fused.model.empty()) return;
  auto operators = std::make_unique<CustomOperators>(library_, fused.nodes);
  Options options(library_.api);
  std::string problem = options.make(library_);
  if (problem.empty()) problem = operators->add_to(options.get());
  if (problem.empty())
    problem = library_.message(library_.api.create_session_from_bytes(
        library_.env, fused.model.data(), fused.model.size(), options.get(), &session_));
  if (!problem.empty()) {
    say(LogLevel::WARN, "ONNX Runtime does not accept the library's kernels: " + problem + stay +
                            "the model, which is slower");
    return;
  }
  operators_ = std::move(operators);
  fused_ = fused.fused;
  std::string parts;
  for (const std::string& name : fused.fused) parts += (parts.empty() ? "" : ", ") + name;
  say(LogLevel::DEBUG, "kernels of tft-tensorrt run " + parts);
}

void Session::describe(EngineInfo& info) const {
  info.kernels = fused_;
  if (!fused_.empty()) info.instructions = cpu::name_of(cpu::supported_levels().back());
}

Session::~Session() {
  // Before its operators.
  if (session_ != nullptr) library_.api.release_session(session_);
}

Result<void> Session::check(const std::string& onnx) const {
  std::vector<std::string> problems;
  for (const bool of_inputs : {true, false}) {
    auto found = tensors(of_inputs);
    if (!found) return found.error();
    for (const TensorShape& tensor : of_inputs ? shape_.inputs : shape_.outputs) {
      const std::string expected = text_of(kind_of(tensor.type), with_batch(-1, tensor.item));
      const auto at = found.value().find(tensor.name);
      const std::string actual = at == found.value().end() ? "missing" : at->second;
      if (actual != expected)
        problems.push_back(tensor.name + " is " + actual + ", model.json says " + expected);
      if (at != found.value().end()) found.value().erase(at);
    }
    // An output that nothing reads does no harm.
    if (of_inputs)
      for (const auto& [name, text] : found.value())
        problems.push_back(name + " is an input that model.json does not know");
  }
  if (problems.empty()) return {};
  std::string all = onnx + ": ";
  for (std::size_t i = 0; i < problems.size(); ++i) all += (i > 0 ? "; " : "") + problems[i];
  return Error{ErrorCode::MODEL_INVALID, all};
}

Result<std::map<std::string, std::string>> Session::tensors(bool inputs) const {
  const Api& api = library_.api;
  std::map<std::string, std::string> found;
  std::size_t count = 0;
  Allocator* allocator = nullptr;
  std::string problem = library_.message((inputs ? api.input_count : api.output_count)(session_, &count));
  if (problem.empty()) problem = library_.message(api.default_allocator(&allocator));
  for (std::size_t i = 0; problem.empty() && i < count; ++i) {
    char* text = nullptr;
    problem = library_.message((inputs ? api.input_name : api.output_name)(session_, i, allocator, &text));
    if (!problem.empty()) break;
    const std::string name = text;
    library_.message(api.free(allocator, text));
    TypeInfo* type = nullptr;
    problem = library_.message((inputs ? api.input_type : api.output_type)(session_, i, &type));
    if (!problem.empty()) break;
    const TensorInfo* info = nullptr;
    int element = 0;
    std::vector<std::int64_t> shape;
    problem = library_.message(api.tensor_info(type, &info));
    if (problem.empty() && info != nullptr) {
      std::size_t dimensions = 0;
      problem = library_.message(api.element_type(info, &element));
      if (problem.empty()) problem = library_.message(api.dimension_count(info, &dimensions));
      shape.resize(dimensions);
      if (problem.empty()) problem = library_.message(api.dimensions(info, shape.data(), dimensions));
    }
    api.release_type(type);
    found[name] = text_of(element, shape);
  }
  if (problem.empty()) return found;
  return Error{ErrorCode::MODEL_INVALID, "ONNX Runtime does not describe the model: " + problem};
}

Result<void> Session::run(const BatchLayout& layout, std::byte* block, int series) const {
  const Api& api = library_.api;
  Values inputs(api);
  Values outputs(api);
  std::vector<const char*> input_names;
  std::vector<const char*> output_names;
  const auto add = [&](const std::vector<TensorShape>& tensors,
                       const std::vector<BatchLayout::Tensor>& places, Values& values,
                       std::vector<const char*>& names) {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const std::vector<std::int64_t> shape = with_batch(series, tensors[i].item);
      names.push_back(tensors[i].name.c_str());
      const std::string problem = library_.message(api.create_tensor(
          library_.memory, block + places[i].offset, places[i].item * static_cast<std::size_t>(series),
          shape.data(), shape.size(), kind_of(tensors[i].type), &values.add()));
      if (!problem.empty()) return problem;
    }
    return std::string();
  };
  std::string problem = add(shape_.inputs, layout.inputs, inputs, input_names);
  if (problem.empty()) problem = add(shape_.outputs, layout.outputs, outputs, output_names);
  if (problem.empty())
    problem = library_.message(api.run(session_, nullptr, input_names.data(), inputs.data(), inputs.size(),
                                       output_names.data(), outputs.size(), outputs.data()));
  if (problem.empty()) return {};
  return Error{ErrorCode::RUN, "ONNX Runtime failed to run the model: " + problem};
}

}  // namespace tft::onnxruntime

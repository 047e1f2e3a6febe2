// Loads an ONNX file, with our kernels for what they support, compares its tensors with the model's, and runs
// it.
#include "onnxruntime/session.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

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

/// "float32 [batch, 288, 14]".
std::string text_of(int kind, const std::vector<std::int64_t>& shape) {
  std::string text = kind == kFloat ? "float32 [" : kind == kInt32 ? "int32 [" : "of another type [";
  for (std::size_t i = 0; i < shape.size(); ++i)
    text += (i > 0 ? ", " : "") + (i == 0 && shape[i] < 1 ? "batch" : std::to_string(shape[i]));
  return text + "]";
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
  if (auto same = made->check(true, shape.inputs); !same) return same.error();
  if (auto same = made->check(false, shape.outputs); !same) return same.error();
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
  std::string parts;
  for (const std::string& name : fused.fused) parts += (parts.empty() ? "" : ", ") + name;
  say(LogLevel::DEBUG, "kernels of tft-tensorrt run " + parts);
}

Session::~Session() {
  // Before its operators.
  if (session_ != nullptr) library_.api.release_session(session_);
}

Result<void> Session::check(bool inputs, const std::vector<TensorShape>& expected) const {
  const Api& api = library_.api;
  std::size_t count = 0;
  std::string problem = library_.message((inputs ? api.input_count : api.output_count)(session_, &count));
  const std::string side = inputs ? "inputs" : "outputs";
  if (problem.empty() && count != expected.size())
    problem = "it has " + std::to_string(count) + " " + side + "; model.json has " +
              std::to_string(expected.size());
  for (std::size_t i = 0; problem.empty() && i < count; ++i) problem = check_tensor(inputs, i, expected);
  if (problem.empty()) return {};
  return Error{ErrorCode::MODEL_INVALID, "the ONNX file is not the one of model.json: " + problem};
}

std::string Session::check_tensor(bool input, std::size_t index,
                                  const std::vector<TensorShape>& expected) const {
  const Api& api = library_.api;
  Allocator* allocator = nullptr;
  char* text = nullptr;
  std::string problem = library_.message(api.default_allocator(&allocator));
  if (problem.empty())
    problem = library_.message((input ? api.input_name : api.output_name)(session_, index, allocator, &text));
  if (!problem.empty()) return problem;
  const std::string name = text;
  library_.message(api.free(allocator, text));
  const auto tensor = std::find_if(expected.begin(), expected.end(),
                                   [&](const TensorShape& one) { return one.name == name; });
  if (tensor == expected.end()) return "model.json does not have '" + name + "'";

  TypeInfo* type = nullptr;
  const TensorInfo* info = nullptr;
  problem = library_.message((input ? api.input_type : api.output_type)(session_, index, &type));
  if (!problem.empty()) return problem;
  problem = library_.message(api.tensor_info(type, &info));
  int element = 0;
  std::vector<std::int64_t> shape;
  if (problem.empty() && info != nullptr) {
    std::size_t dimensions = 0;
    problem = library_.message(api.element_type(info, &element));
    if (problem.empty()) problem = library_.message(api.dimension_count(info, &dimensions));
    shape.resize(dimensions);
    if (problem.empty()) problem = library_.message(api.dimensions(info, shape.data(), dimensions));
  }
  api.release_type(type);
  if (!problem.empty()) return problem;
  // The first dimension is the batch, which varies.
  const bool fits = shape.size() == tensor->item.size() + 1 && shape.front() < 1 &&
                    std::equal(tensor->item.begin(), tensor->item.end(), shape.begin() + 1);
  if (element == kind_of(tensor->type) && fits) return {};
  return name + " is " + text_of(element, shape) + ", model.json says " +
         text_of(kind_of(tensor->type), with_batch(-1, tensor->item));
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

// Each fused node has an operator of its own, so that ONNX Runtime knows its inputs and outputs exactly.
#include "onnxruntime/custom_operators.h"

#include <array>
#include <climits>
#include <exception>
#include <span>

#include "cpu/kernels.h"
#include "plugins/operators.h"

namespace tft::onnxruntime {

using plugins::Operator;
using plugins::Shape;

namespace {

int element_of(bool is_int) { return is_int ? kInt32 : kFloat; }

/// Runs what returns a message: ONNX Runtime is C, so that nothing may be thrown through it.
template <class Work>
Status* status_of(const Library& library, const char* name, Work work) noexcept {
  try {
    const std::string problem = work();
    if (problem.empty()) return nullptr;
    return library.api.create_status(kFailed, (std::string(name) + ": " + problem).c_str());
  } catch (const std::exception& exception) {
    return library.api.create_status(kFailed, exception.what());
  }
}

std::string read_shape(const Library& library, const Value* value, Shape& shape) {
  const Api& api = library.api;
  TensorInfo* info = nullptr;
  std::string problem = library.message(api.value_tensor_info(value, &info));
  if (!problem.empty()) return problem;
  std::size_t rank = 0;
  problem = library.message(api.dimension_count(info, &rank));
  if (problem.empty() && rank > plugins::kMaxRank) problem = "an input has too many dimensions";
  if (problem.empty()) problem = library.message(api.dimensions(info, shape.dims.data(), rank));
  api.release_tensor_info(info);
  shape.rank = static_cast<int>(rank);
  return problem;
}

}  // namespace

/// A node's operator, in the form that ONNX Runtime asks for.
class NodeOperator final : public CustomOperator {
 public:
  NodeOperator(const Library& library, const FusedNode& node);

  const char* type() const { return type_.c_str(); }
  /// Null if this build does not have the operator.
  const Operator* computed() const { return operator_.get(); }
  const Library& library() const { return library_; }
  static const NodeOperator& of(const CustomOperator* self) {
    return *static_cast<const NodeOperator*>(self);
  }

 private:
  const Library& library_;
  const std::string type_;
  const std::unique_ptr<Operator> operator_;
};

namespace {

/// What computes a node in one session. Several threads may run it at once.
class NodeKernel {
 public:
  explicit NodeKernel(const NodeOperator& node)
      : node_(node), operator_(*node.computed()), kernels_(cpu::make_kernels()) {}

  /// Reads the shapes of the weights, which are the same in each run.
  std::string read_weights(const KernelInfo* info) {
    const Library& library = node_.library();
    for (int i = 0; i < operator_.inputs(); ++i) {
      const auto index = static_cast<std::size_t>(i);
      int is_constant = 0;
      const Value* value = nullptr;
      std::string problem = library.message(library.api.constant_input(info, index, &is_constant, &value));
      if (problem.empty() && is_constant != 0 && value != nullptr)
        problem = read_shape(library, value, shapes_[index]);
      else if (problem.empty())
        varying_.push_back(index);
      if (!problem.empty()) return problem;
    }
    return {};
  }

  std::string compute(KernelContext* context) {
    const Library& library = node_.library();
    const Api& api = library.api;
    const auto inputs = static_cast<std::size_t>(operator_.inputs());
    const auto outputs = static_cast<std::size_t>(operator_.outputs());
    std::array<const Value*, plugins::kMaxInputs> values{};
    std::array<const void*, plugins::kMaxInputs> in{};
    std::array<void*, plugins::kMaxInputs> out{};
    for (std::size_t i = 0; i < inputs; ++i) {
      std::string problem = library.message(api.kernel_input(context, i, &values[i]));
      void* data = nullptr;
      // The only function for a tensor's data takes it as one that may be written.
      if (problem.empty()) problem = library.message(api.tensor_data(const_cast<Value*>(values[i]), &data));
      if (!problem.empty()) return problem;
      in[i] = data;
    }
    std::array<Shape, plugins::kMaxInputs> all = shapes_;
    const std::span<const Shape> shapes = std::span(all).first(inputs);
    for (const std::size_t i : varying_)
      if (std::string problem = read_shape(library, values[i], all[i]); !problem.empty()) return problem;
    if (std::string misfit = operator_.misfit(shapes, plugins::Processor::CPU); !misfit.empty())
      return misfit;
    for (std::size_t i = 0; i < outputs; ++i) {
      std::vector<std::int64_t> dims;
      for (const plugins::Dimension& dimension : operator_.output_shape(static_cast<int>(i)))
        dims.push_back(length_of(dimension, shapes));
      Value* value = nullptr;
      std::string problem = library.message(api.kernel_output(context, i, dims.data(), dims.size(), &value));
      if (problem.empty()) problem = library.message(api.tensor_data(value, &out[i]));
      if (!problem.empty()) return problem;
    }
    if (operator_.enqueue(*kernels_, shapes, in.data(), out.data(), nullptr)) return {};
    return "the kernels of tft-tensorrt cannot compute it";
  }

  const NodeOperator& node() const { return node_; }

 private:
  const NodeOperator& node_;
  const Operator& operator_;
  const std::unique_ptr<plugins::Kernels> kernels_;
  std::array<Shape, plugins::kMaxInputs> shapes_{};
  std::vector<std::size_t> varying_;  // the inputs that are no weights
};

Status* make_kernel(const CustomOperator* self, const void*, const KernelInfo* info, void** made) {
  const NodeOperator& node = NodeOperator::of(self);
  return status_of(node.library(), node.type(), [&] {
    auto kernel = std::make_unique<NodeKernel>(node);
    std::string problem = kernel->read_weights(info);
    if (problem.empty()) *made = kernel.release();
    return problem;
  });
}

Status* compute(void* self, KernelContext* context) {
  auto& kernel = *static_cast<NodeKernel*>(self);
  return status_of(kernel.node().library(), kernel.node().type(), [&] { return kernel.compute(context); });
}

void destroy_kernel(void* self) { delete static_cast<NodeKernel*>(self); }

}  // namespace

NodeOperator::NodeOperator(const Library& library, const FusedNode& node)
    : CustomOperator{},
      library_(library),
      type_(node.type),
      operator_(plugins::make_operator(node.op, node.attributes)) {
  version = kApiVersion;
  get_name = [](Self self) { return of(self).type(); };
  // Null: the CPU's.
  get_provider = [](Self) -> const char* { return nullptr; };
  get_input_type = [](Self self, std::size_t index) {
    return element_of(of(self).operator_->is_int(static_cast<int>(index)));
  };
  get_input_count = [](Self self) { return static_cast<std::size_t>(of(self).operator_->inputs()); };
  get_output_type = [](Self self, std::size_t index) {
    return element_of(of(self).operator_->is_int_output(static_cast<int>(index)));
  };
  get_output_count = [](Self self) { return static_cast<std::size_t>(of(self).operator_->outputs()); };
  get_input_characteristic = [](Self, std::size_t) { return kRequired; };
  get_output_characteristic = [](Self, std::size_t) { return kRequired; };
  get_input_memory = [](Self, std::size_t) { return kDefaultMemory; };
  get_start_version = [](Self) { return 1; };
  get_end_version = [](Self) { return INT_MAX; };
  make_kernel = &onnxruntime::make_kernel;
  compute = &onnxruntime::compute;
  destroy_kernel = &onnxruntime::destroy_kernel;
}

CustomOperators::CustomOperators(const Library& library, const std::vector<FusedNode>& nodes)
    : library_(library) {
  for (const FusedNode& node : nodes) operators_.push_back(std::make_unique<NodeOperator>(library, node));
}

CustomOperators::~CustomOperators() {
  if (domain_ != nullptr) library_.api.release_operator_domain(domain_);
}

std::string CustomOperators::add_to(SessionOptions* options) {
  const Api& api = library_.api;
  std::string problem = library_.message(api.create_operator_domain(kFusedDomain, &domain_));
  for (const auto& one : operators_) {
    if (problem.empty() && one->computed() == nullptr)
      problem = std::string("this build does not have ") + one->type();
    if (problem.empty()) problem = library_.message(api.add_to_domain(domain_, one.get()));
  }
  if (problem.empty()) problem = library_.message(api.add_operator_domain(options, domain_));
  return problem;
}

}  // namespace tft::onnxruntime

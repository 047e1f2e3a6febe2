// The body of tensorrt_10.cpp and tensorrt_11.cpp for plugins: the operators of cpp/plugins as IPluginV3.
// Include it after adapter.h.
#include <cstring>

#include "plugins/launch.h"
#include "plugins/operators.h"
#include "tensorrt/plugin_api.h"

namespace tft::tensorrt {
namespace {

using plugins::Operator;

plugins::Shape shape_of(const nvinfer1::Dims& dims) {
  plugins::Shape shape;
  shape.rank = std::clamp(static_cast<int>(dims.nbDims), 0, plugins::kMaxRank);
  std::copy_n(dims.d, shape.rank, shape.dims.begin());
  return shape;
}

class Plugin final : public nvinfer1::IPluginV3,
                     public nvinfer1::IPluginV3OneCore,
                     public nvinfer1::IPluginV3OneBuild,
                     public nvinfer1::IPluginV3OneRuntime {
 public:
  Plugin(std::unique_ptr<Operator> op, LauncherOfThread launcher) : op_(std::move(op)), launcher_(launcher) {
    for (const auto& [name, value] : op_->attributes()) {
      names_.push_back(name);
      values_.push_back(value);
    }
    for (std::size_t i = 0; i < names_.size(); ++i)
      fields_.emplace_back(names_[i].c_str(), &values_[i], nvinfer1::PluginFieldType::kFLOAT64, 1);
    collection_ = {static_cast<std::int32_t>(fields_.size()), fields_.data()};
  }

  nvinfer1::IPluginCapability* getCapabilityInterface(nvinfer1::PluginCapabilityType type) noexcept override {
    switch (type) {
      case nvinfer1::PluginCapabilityType::kCORE:
        return static_cast<nvinfer1::IPluginV3OneCore*>(this);
      case nvinfer1::PluginCapabilityType::kBUILD:
        return static_cast<nvinfer1::IPluginV3OneBuild*>(this);
      case nvinfer1::PluginCapabilityType::kRUNTIME:
        return static_cast<nvinfer1::IPluginV3OneRuntime*>(this);
    }
    return nullptr;
  }
  nvinfer1::IPluginV3* clone() noexcept override {
    // TensorRT takes ownership.
    return std::make_unique<Plugin>(plugins::make_operator(op_->name(), op_->attributes()), launcher_)
        .release();
  }

  char const* getPluginName() const noexcept override { return op_->name().data(); }
  char const* getPluginVersion() const noexcept override { return plugins::kOperatorsVersion; }
  char const* getPluginNamespace() const noexcept override { return plugins::kOperatorsNamespace; }

  std::int32_t configurePlugin(nvinfer1::DynamicPluginTensorDesc const*, std::int32_t,
                               nvinfer1::DynamicPluginTensorDesc const*, std::int32_t) noexcept override {
    return 0;
  }
  std::int32_t getOutputDataTypes(nvinfer1::DataType* types, std::int32_t count, nvinfer1::DataType const*,
                                  std::int32_t) const noexcept override {
    for (std::int32_t i = 0; i < count; ++i)
      types[i] = op_->is_int_output(i) ? nvinfer1::DataType::kINT32 : nvinfer1::DataType::kFLOAT;
    return 0;
  }
  std::int32_t getOutputShapes(nvinfer1::DimsExprs const* inputs, std::int32_t, nvinfer1::DimsExprs const*,
                               std::int32_t, nvinfer1::DimsExprs* outputs, std::int32_t count,
                               nvinfer1::IExprBuilder& expressions) noexcept override {
    for (std::int32_t i = 0; i < count; ++i) {
      const auto dims = op_->output_shape(i);
      outputs[i].nbDims = static_cast<std::int32_t>(dims.size());
      for (std::size_t axis = 0; axis < dims.size(); ++axis) {
        const plugins::Dimension& dim = dims[axis];
        if (dim.input < 0) {
          outputs[i].d[axis] = expressions.constant(dim.constant);
          continue;
        }
        const auto* one = inputs[dim.input].d[dim.axis];
        if (dim.constant != 0)
          one = expressions.operation(nvinfer1::DimensionOperation::kSUM, *one,
                                      *expressions.constant(dim.constant));
        if (dim.second_input >= 0)
          one = expressions.operation(nvinfer1::DimensionOperation::kSUM, *one,
                                      *inputs[dim.second_input].d[dim.second_axis]);
        outputs[i].d[axis] = one;
      }
    }
    return 0;
  }
  bool supportsFormatCombination(std::int32_t place, nvinfer1::DynamicPluginTensorDesc const* tensors,
                                 std::int32_t inputs, std::int32_t) noexcept override {
    const auto& tensor = tensors[place].desc;
    const bool is_int = place < inputs ? op_->is_int(place) : op_->is_int_output(place - inputs);
    return tensor.format == nvinfer1::TensorFormat::kLINEAR &&
           tensor.type == (is_int ? nvinfer1::DataType::kINT32 : nvinfer1::DataType::kFLOAT);
  }
  std::int32_t getNbOutputs() const noexcept override { return op_->outputs(); }
  std::size_t getWorkspaceSize(nvinfer1::DynamicPluginTensorDesc const* inputs, std::int32_t count,
                               nvinfer1::DynamicPluginTensorDesc const*,
                               std::int32_t) const noexcept override {
    std::vector<plugins::Shape> shapes;
    for (std::int32_t i = 0; i < count; ++i) shapes.push_back(shape_of(inputs[i].max));
    return op_->workspace_bytes(shapes);
  }

  std::int32_t onShapeChange(nvinfer1::PluginTensorDesc const*, std::int32_t,
                             nvinfer1::PluginTensorDesc const*, std::int32_t) noexcept override {
    return 0;
  }
  std::int32_t enqueue(nvinfer1::PluginTensorDesc const* tensors, nvinfer1::PluginTensorDesc const*,
                       void const* const* inputs, void* const* outputs, void* workspace,
                       cudaStream_t stream) noexcept override {
    plugins::Launcher* const launcher = launcher_();
    if (launcher == nullptr) {
      process_logger().log(nvinfer1::ILogger::Severity::kERROR,
                           "the kernels of tft-tensorrt do not load on this GPU");
      return 1;
    }
    std::array<plugins::Shape, plugins::kMaxInputs> shapes;
    const auto count = static_cast<std::size_t>(op_->inputs());
    for (std::size_t i = 0; i < count; ++i) shapes[i] = shape_of(tensors[i].dims);
    plugins::LaunchedKernels kernels(*launcher, stream);
    if (op_->enqueue(kernels, std::span(shapes).first(count), inputs, outputs, workspace)) return 0;
    process_logger().log(nvinfer1::ILogger::Severity::kERROR, "a kernel of tft-tensorrt cannot be launched");
    return 1;
  }
  nvinfer1::IPluginV3* attachToContext(nvinfer1::IPluginResourceContext*) noexcept override {
    return clone();
  }
  nvinfer1::PluginFieldCollection const* getFieldsToSerialize() noexcept override { return &collection_; }

 private:
  std::unique_ptr<Operator> op_;
  LauncherOfThread launcher_;
  std::vector<std::string> names_;
  std::vector<double> values_;
  std::vector<nvinfer1::PluginField> fields_;
  nvinfer1::PluginFieldCollection collection_{};
};

class Creator final : public nvinfer1::IPluginCreatorV3One {
 public:
  Creator(std::string_view name, LauncherOfThread launcher) : name_(name), launcher_(launcher) {
    for (const std::string_view attribute : plugins::attribute_names(name))
      fields_.emplace_back(attribute.data(), nullptr, nvinfer1::PluginFieldType::kFLOAT64, 1);
    collection_ = {static_cast<std::int32_t>(fields_.size()), fields_.data()};
  }

  nvinfer1::IPluginV3* createPlugin(char const*, nvinfer1::PluginFieldCollection const* fields,
                                    nvinfer1::TensorRTPhase) noexcept override {
    plugins::Attributes attributes;
    for (std::int32_t i = 0; fields != nullptr && i < fields->nbFields; ++i)
      if (const auto value = number(fields->fields[i])) attributes[fields->fields[i].name] = *value;
    auto op = plugins::make_operator(name_, std::move(attributes));
    if (op == nullptr) return nullptr;
    return std::make_unique<Plugin>(std::move(op), launcher_).release();
  }
  nvinfer1::PluginFieldCollection const* getFieldNames() noexcept override { return &collection_; }
  char const* getPluginName() const noexcept override { return name_.data(); }
  char const* getPluginVersion() const noexcept override { return plugins::kOperatorsVersion; }
  char const* getPluginNamespace() const noexcept override { return plugins::kOperatorsNamespace; }

 private:
  /// The parser passes an attribute as int32 or float, a plan in the type that we wrote.
  static std::optional<double> number(const nvinfer1::PluginField& field) {
    if (field.data == nullptr || field.length < 1) return std::nullopt;
    switch (field.type) {
      case nvinfer1::PluginFieldType::kINT32:
        return read<std::int32_t>(field);
      case nvinfer1::PluginFieldType::kINT64:
        return static_cast<double>(read<std::int64_t>(field));
      case nvinfer1::PluginFieldType::kFLOAT32:
        return read<float>(field);
      case nvinfer1::PluginFieldType::kFLOAT64:
        return read<double>(field);
      default:
        return std::nullopt;
    }
  }
  template <class T>
  static T read(const nvinfer1::PluginField& field) {
    T value;
    std::memcpy(&value, field.data, sizeof value);
    return value;
  }

  std::string_view name_;
  LauncherOfThread launcher_;
  std::vector<nvinfer1::PluginField> fields_;
  nvinfer1::PluginFieldCollection collection_{};
};

/// IPluginCreatorInterface pointers for a plugin library, made by the first call; they are never destroyed.
void* const* operator_creators(LauncherOfThread launcher, std::int32_t& count) {
  static const auto* const all = [launcher] {
    auto made = std::make_unique<std::vector<nvinfer1::IPluginCreatorInterface*>>();
    for (const std::string_view name : plugins::operator_names())
      made->push_back(std::make_unique<Creator>(name, launcher).release());
    return made.release();
  }();
  count = static_cast<std::int32_t>(all->size());
  return reinterpret_cast<void* const*>(all->data());
}

bool register_operators(void* get_registry, LauncherOfThread launcher) {
  using GetRegistry = nvinfer1::IPluginRegistry* (*)() noexcept;
  nvinfer1::IPluginRegistry* const registry = reinterpret_cast<GetRegistry>(get_registry)();
  if (registry == nullptr) return false;
  bool all = true;
  for (const std::string_view name : plugins::operator_names()) {
    // Never destroyed: the registry keeps a reference until the process ends.
    auto* const creator = std::make_unique<Creator>(name, launcher).release();
    all = registry->registerCreator(*creator, plugins::kOperatorsNamespace) && all;
  }
  return all;
}

}  // namespace
}  // namespace tft::tensorrt

// A plugin library for EngineOptions::plugins and BuildOptions::plugins. It has the creator of "TftDouble",
// version 1, whose plugins do nothing; their only field is "size", an integer.
#include <NvInferRuntime.h>

#include <string_view>

namespace {

class Plugin final : public nvinfer1::IPluginV3,
                     public nvinfer1::IPluginV3OneCore,
                     public nvinfer1::IPluginV3OneRuntime {
 public:
  explicit Plugin(std::int32_t size) : size_(size) {}

  nvinfer1::IPluginCapability* getCapabilityInterface(nvinfer1::PluginCapabilityType type) noexcept override {
    if (type == nvinfer1::PluginCapabilityType::kCORE) return static_cast<nvinfer1::IPluginV3OneCore*>(this);
    if (type == nvinfer1::PluginCapabilityType::kRUNTIME)
      return static_cast<nvinfer1::IPluginV3OneRuntime*>(this);
    return nullptr;
  }
  nvinfer1::IPluginV3* clone() noexcept override { return new Plugin(size_); }
  nvinfer1::AsciiChar const* getPluginName() const noexcept override { return "TftDouble"; }
  nvinfer1::AsciiChar const* getPluginVersion() const noexcept override { return "1"; }
  nvinfer1::AsciiChar const* getPluginNamespace() const noexcept override { return ""; }
  std::int32_t onShapeChange(nvinfer1::PluginTensorDesc const*, std::int32_t,
                             nvinfer1::PluginTensorDesc const*, std::int32_t) noexcept override {
    return 0;
  }
  std::int32_t enqueue(nvinfer1::PluginTensorDesc const*, nvinfer1::PluginTensorDesc const*,
                       void const* const*, void* const*, void*, cudaStream_t) noexcept override {
    return 0;
  }
  nvinfer1::IPluginV3* attachToContext(nvinfer1::IPluginResourceContext*) noexcept override {
    return clone();
  }
  nvinfer1::PluginFieldCollection const* getFieldsToSerialize() noexcept override { return &fields_; }

 private:
  const std::int32_t size_;
  const nvinfer1::PluginField field_{"size", &size_, nvinfer1::PluginFieldType::kINT32, 1};
  const nvinfer1::PluginFieldCollection fields_{1, &field_};
};

class Creator final : public nvinfer1::IPluginCreatorV3One {
 public:
  nvinfer1::IPluginV3* createPlugin(nvinfer1::AsciiChar const*, nvinfer1::PluginFieldCollection const* fields,
                                    nvinfer1::TensorRTPhase phase) noexcept override {
    for (int i = 0; i < fields->nbFields; ++i) {
      const nvinfer1::PluginField& field = fields->fields[i];
      if (field.name != std::string_view("size") || field.type != nvinfer1::PluginFieldType::kINT32) continue;
      const std::int32_t size = field.length == 1 ? *static_cast<const std::int32_t*>(field.data) : 0;
      return size > 0 ? new Plugin(size) : nullptr;
    }
    // A node may omit the field; a plan always has it.
    return phase == nvinfer1::TensorRTPhase::kBUILD ? new Plugin(1) : nullptr;
  }
  nvinfer1::PluginFieldCollection const* getFieldNames() noexcept override { return &names_; }
  nvinfer1::AsciiChar const* getPluginName() const noexcept override { return "TftDouble"; }
  nvinfer1::AsciiChar const* getPluginVersion() const noexcept override { return "1"; }
  nvinfer1::AsciiChar const* getPluginNamespace() const noexcept override { return ""; }

 private:
  const nvinfer1::PluginField name_{"size", nullptr, nvinfer1::PluginFieldType::kINT32, 1};
  const nvinfer1::PluginFieldCollection names_{1, &name_};
};

}  // namespace

extern "C" TENSORRTAPI nvinfer1::IPluginCreatorInterface* const* getCreators(std::int32_t& count) {
  static Creator creator;
  static nvinfer1::IPluginCreatorInterface* const all[] = {&creator};
  count = 1;
  return all;
}

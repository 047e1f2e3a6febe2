// A library of plugins, as EngineOptions::plugins and BuildOptions::plugins name one: it has the creator of
// "TftDouble", version 1, whose plugins do nothing. Of its fields one is asked for: "size", an integer.
#include <NvInferRuntime.h>

#include <string_view>

namespace {

class Plugin final : public nvinfer1::IPluginV3 {
 public:
  nvinfer1::IPluginCapability* getCapabilityInterface(nvinfer1::PluginCapabilityType) noexcept override {
    return nullptr;
  }
  nvinfer1::IPluginV3* clone() noexcept override { return new Plugin; }
};

class Creator final : public nvinfer1::IPluginCreatorV3One {
 public:
  nvinfer1::IPluginV3* createPlugin(nvinfer1::AsciiChar const*, nvinfer1::PluginFieldCollection const* fields,
                                    nvinfer1::TensorRTPhase) noexcept override {
    for (int i = 0; i < fields->nbFields; ++i) {
      const nvinfer1::PluginField& field = fields->fields[i];
      if (field.name != std::string_view("size") || field.type != nvinfer1::PluginFieldType::kINT32) continue;
      return field.length == 1 && *static_cast<const int*>(field.data) > 0 ? new Plugin : nullptr;
    }
    return nullptr;
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

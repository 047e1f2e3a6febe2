// The plugin registries: the process has one (getPluginRegistry), and so has each runtime and builder; theirs
// fall back to the process's. They accept creators of IPluginV3 only.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "library.h"
#include "onnx.h"
#include "plan.h"
#include "unmodelled_registry.h"

namespace doubles {

class PluginRegistry final : public UnmodelledRegistry {
 public:
  static PluginRegistry& of_process();

  /// Without a logger no faults are injected.
  explicit PluginRegistry(ILogger* logger, PluginRegistry* parent) : logger_(logger), parent_(parent) {}
  PluginRegistry(const PluginRegistry&) = delete;
  PluginRegistry& operator=(const PluginRegistry&) = delete;

  bool isParentSearchEnabled() const override { return search_parent_; }
  void setParentSearchEnabled(bool enabled) override { search_parent_ = enabled; }
  PluginLibraryHandle loadLibrary(nvinfer1::AsciiChar const* path) noexcept override;
  void deregisterLibrary(PluginLibraryHandle handle) noexcept override;
  bool registerCreator(nvinfer1::IPluginCreatorInterface& creator,
                       nvinfer1::AsciiChar const* plugin_namespace) noexcept override;
  bool deregisterCreator(nvinfer1::IPluginCreatorInterface const& creator) noexcept override;
  nvinfer1::IPluginCreatorInterface* getCreator(
      nvinfer1::AsciiChar const* name, nvinfer1::AsciiChar const* version,
      nvinfer1::AsciiChar const* plugin_namespace) noexcept override;
  nvinfer1::IPluginCreatorInterface* const* getAllCreators(std::int32_t* count) const noexcept override;
  nvinfer1::IPluginCreatorInterface* const* getAllCreatorsRecursive(std::int32_t* count) noexcept override;

  /// Makes a node's plugin with its creator, as TensorRT does in a build, and returns the fields that the
  /// plan keeps. Empty if there is no such creator, or if it refuses the attributes.
  std::optional<PlanPlugin> plugin_of(const OnnxNode& node);

#if NV_TENSORRT_MAJOR == 10
  using UnmodelledRegistry::deregisterCreator;
  using UnmodelledRegistry::registerCreator;
#endif

 private:
  using Creator = nvinfer1::IPluginCreatorInterface;
  struct Entry {
    Creator* creator;
    std::string name, version, plugin_namespace;
    PluginLibraryHandle library;  // null if it was registered without a library
  };

  bool add(Creator& creator, const std::string& plugin_namespace, PluginLibraryHandle library);
  Creator* find(const std::string& name, const std::string& version, const std::string& plugin_namespace);

  ILogger* const logger_;
  PluginRegistry* const parent_;
  bool search_parent_ = true;
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
  mutable std::vector<Creator*> list_;  // the result of getAllCreators
};

/// Makes the plugins of an engine with their creators, as TensorRT does when it deserializes. Empty, with
/// TensorRT's message in `problem`, if a creator is missing or makes no plugin.
std::vector<std::unique_ptr<nvinfer1::IPluginV3>> make_plugins(const Plan& plan, PluginRegistry& registry,
                                                               ILogger& logger, std::string& problem);

}  // namespace doubles

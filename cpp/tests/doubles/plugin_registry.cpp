#include "plugin_registry.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstring>

namespace doubles {
namespace {

using nvinfer1::IPluginCreatorV3One;

std::string text_of(const char* text) { return text == nullptr ? "" : text; }

/// Null if it is of a kind that the double does not model.
IPluginCreatorV3One* as_v3(nvinfer1::IPluginCreatorInterface& creator) {
  if (std::strcmp(creator.getInterfaceInfo().kind, "PLUGIN CREATOR_V3ONE") != 0) return nullptr;
  return static_cast<IPluginCreatorV3One*>(&creator);
}

}  // namespace

PluginRegistry& PluginRegistry::of_process() {
  // Never destroyed: creators are static objects of libraries that may deregister them while the process
  // ends.
  static auto* const registry = std::make_unique<PluginRegistry>(nullptr, nullptr).release();
  return *registry;
}

bool PluginRegistry::add(Creator& creator, const std::string& plugin_namespace, PluginLibraryHandle library) {
  const IPluginCreatorV3One* const v3 = as_v3(creator);
  if (v3 == nullptr) {
    unmodelled("a creator of another interface than IPluginCreatorV3One");
    return false;
  }
  const Entry entry{&creator, text_of(v3->getPluginName()), text_of(v3->getPluginVersion()), plugin_namespace,
                    library};
  const std::lock_guard lock(mutex_);
  const bool known = std::any_of(entries_.begin(), entries_.end(), [&](const Entry& other) {
    return other.name == entry.name && other.version == entry.version &&
           other.plugin_namespace == entry.plugin_namespace;
  });
  if (known) return false;
  entries_.push_back(entry);
  return true;
}

nvinfer1::IPluginRegistry::PluginLibraryHandle PluginRegistry::loadLibrary(
    nvinfer1::AsciiChar const* path) noexcept {
  const CudaLink* const cuda = CudaLink::get();
  if (logger_ != nullptr && cuda != nullptr && fails(*cuda, *logger_, "loadLibrary")) return nullptr;
  void* const handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  using GetCreators = Creator* const* (*)(std::int32_t& count);
  auto* const get = handle == nullptr ? nullptr : reinterpret_cast<GetCreators>(dlsym(handle, "getCreators"));
  if (get == nullptr) {
    if (logger_ != nullptr)
      log_error(*logger_,
                std::string("IPluginRegistry::loadLibrary: Error Code 3: API Usage Error (Unable to "
                            "load library: ") +
                    text_of(path) + ")");
    return nullptr;
  }
  std::int32_t count = 0;
  Creator* const* const creators = get(count);
  for (std::int32_t i = 0; i < count; ++i) {
    const IPluginCreatorV3One* const v3 = as_v3(*creators[i]);
    if (add(*creators[i], v3 == nullptr ? "" : text_of(v3->getPluginNamespace()), handle)) continue;
    deregisterLibrary(handle);
    if (logger_ != nullptr)
      log_error(
          *logger_,
          "IPluginRegistry::loadLibrary: Error Code 3: API Usage Error (a plugin is registered already)");
    return nullptr;
  }
  return handle;
}

void PluginRegistry::deregisterLibrary(PluginLibraryHandle handle) noexcept {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const Entry& entry) { return entry.library == handle; });
}

bool PluginRegistry::registerCreator(nvinfer1::IPluginCreatorInterface& creator,
                                     nvinfer1::AsciiChar const* plugin_namespace) noexcept {
  if (const CudaLink* const cuda = CudaLink::get())
    if (cuda->call("registerCreator") != success) return false;
  return add(creator, text_of(plugin_namespace), nullptr);
}

bool PluginRegistry::deregisterCreator(nvinfer1::IPluginCreatorInterface const& creator) noexcept {
  const std::lock_guard lock(mutex_);
  return std::erase_if(entries_, [&](const Entry& entry) { return entry.creator == &creator; }) > 0;
}

PluginRegistry::Creator* PluginRegistry::find(const std::string& name, const std::string& version,
                                              const std::string& plugin_namespace) {
  {
    const std::lock_guard lock(mutex_);
    for (const Entry& entry : entries_)
      if (entry.name == name && entry.version == version && entry.plugin_namespace == plugin_namespace)
        return entry.creator;
  }
  return parent_ != nullptr && search_parent_ ? parent_->find(name, version, plugin_namespace) : nullptr;
}

nvinfer1::IPluginCreatorInterface* PluginRegistry::getCreator(
    nvinfer1::AsciiChar const* name, nvinfer1::AsciiChar const* version,
    nvinfer1::AsciiChar const* plugin_namespace) noexcept {
  auto* const creator = find(text_of(name), text_of(version), text_of(plugin_namespace));
  if (creator == nullptr && logger_ != nullptr)
    log_error(*logger_, "IPluginRegistry::getCreator: Error Code 4: API Usage Error (Cannot find plugin: " +
                            text_of(name) + ", version: " + text_of(version) +
                            ", namespace:" + text_of(plugin_namespace) + ".)");
  return creator;
}

nvinfer1::IPluginCreatorInterface* const* PluginRegistry::getAllCreators(std::int32_t* count) const noexcept {
  const std::lock_guard lock(mutex_);
  list_.clear();
  for (const Entry& entry : entries_) list_.push_back(entry.creator);
  *count = static_cast<std::int32_t>(list_.size());
  return list_.empty() ? nullptr : list_.data();
}

nvinfer1::IPluginCreatorInterface* const* PluginRegistry::getAllCreatorsRecursive(
    std::int32_t* count) noexcept {
  (void)getAllCreators(count);
  std::int32_t more = 0;
  Creator* const* const others = parent_ == nullptr ? nullptr : parent_->getAllCreatorsRecursive(&more);
  const std::lock_guard lock(mutex_);
  list_.insert(list_.end(), others, others + more);
  *count = static_cast<std::int32_t>(list_.size());
  return list_.empty() ? nullptr : list_.data();
}

std::vector<std::unique_ptr<nvinfer1::IPluginV3>> make_plugins(const Plan& plan, PluginRegistry& registry,
                                                               ILogger& logger, std::string& problem) {
  std::vector<std::unique_ptr<nvinfer1::IPluginV3>> plugins;
  for (const PlanPlugin& wanted : plan.plugins) {
    auto* const creator =
        registry.getCreator(wanted.name.c_str(), wanted.version.c_str(), wanted.plugin_namespace.c_str());
    if (creator == nullptr) {
      log_error(logger,
                "[pluginV3Runner.cpp::load] Error Code 1: Serialization (Serialization assertion creator "
                "failed.Cannot deserialize plugin since corresponding IPluginCreator not found in Plugin "
                "Registry)");
      problem = "Engine deserialization failed.";
      return {};
    }
    std::vector<nvinfer1::PluginField> fields;
    for (const PlanField& field : wanted.fields) {
      const bool integers = field.type == "int32";
      fields.emplace_back(field.name.c_str(),
                          integers ? static_cast<const void*>(field.integers.data()) : field.reals.data(),
                          integers ? nvinfer1::PluginFieldType::kINT32 : nvinfer1::PluginFieldType::kFLOAT32,
                          static_cast<std::int32_t>(integers ? field.integers.size() : field.reals.size()));
    }
    const nvinfer1::PluginFieldCollection collection{static_cast<std::int32_t>(fields.size()), fields.data()};
    std::unique_ptr<nvinfer1::IPluginV3> plugin(static_cast<IPluginCreatorV3One*>(creator)->createPlugin(
        wanted.name.c_str(), &collection, nvinfer1::TensorRTPhase::kRUNTIME));
    if (plugin == nullptr) {
      problem = "the creator of " + wanted.name + " makes no plugin of its fields";
      return {};
    }
    plugins.push_back(std::move(plugin));
  }
  return plugins;
}

}  // namespace doubles

extern "C" TENSORRTAPI nvinfer1::IPluginRegistry* getPluginRegistry() noexcept {
  return &doubles::PluginRegistry::of_process();
}

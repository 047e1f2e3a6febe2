#include "plugin_registry.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace doubles {
namespace {

using nvinfer1::IPluginCreatorV3One;

std::string text_of(const char* text) { return text == nullptr ? "" : text; }

/// Null if the double does not model this kind of creator.
IPluginCreatorV3One* as_v3(nvinfer1::IPluginCreatorInterface& creator) {
  if (std::strcmp(creator.getInterfaceInfo().kind, "PLUGIN CREATOR_V3ONE") != 0) return nullptr;
  return static_cast<IPluginCreatorV3One*>(&creator);
}

using nvinfer1::PluginField;
using nvinfer1::PluginFieldType;

/// Refers to the plan's memory.
PluginField field_of(const PlanField& field) {
  const auto of = [&](const auto& values, PluginFieldType type) {
    return PluginField(field.name.c_str(), values.data(), type, static_cast<std::int32_t>(values.size()));
  };
  if (field.type == "int32") return of(field.integers, PluginFieldType::kINT32);
  if (field.type == "float32") return of(field.reals, PluginFieldType::kFLOAT32);
  return of(field.doubles, PluginFieldType::kFLOAT64);
}

PlanField copy_of(const PluginField& field) {
  PlanField copy;
  copy.name = field.name;
  const auto fill = [&](auto& values, const char* type) {
    using Value = typename std::remove_reference_t<decltype(values)>::value_type;
    const auto* const first = static_cast<const Value*>(field.data);
    values.assign(first, first + field.length);
    copy.type = type;
  };
  if (field.type == PluginFieldType::kINT32)
    fill(copy.integers, "int32");
  else if (field.type == PluginFieldType::kFLOAT32)
    fill(copy.reals, "float32");
  else if (field.type == PluginFieldType::kFLOAT64)
    fill(copy.doubles, "float64");
  else
    unmodelled("a plugin's field of another type than int32, float32 and float64");
  return copy;
}

/// The text of an attribute, or the parser's default if it is missing.
std::string text_or(const OnnxNode& node, const char* name, const char* otherwise) {
  const auto found = node.texts.find(name);
  return found == node.texts.end() ? otherwise : found->second;
}

}  // namespace

PluginRegistry& PluginRegistry::of_process() {
  // Never destroyed: libraries may deregister their static creators while the process exits.
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

std::optional<PlanPlugin> PluginRegistry::plugin_of(const OnnxNode& node) {
  const std::string version = text_or(node, "plugin_version", "1");
  const std::string plugin_namespace = text_or(node, "plugin_namespace", "");
  auto* const creator = getCreator(node.op.c_str(), version.c_str(), plugin_namespace.c_str());
  if (creator == nullptr) return std::nullopt;
  auto& v3 = static_cast<IPluginCreatorV3One&>(*creator);
  // A creator receives only the fields that it names.
  const nvinfer1::PluginFieldCollection& names = *v3.getFieldNames();
  std::vector<PluginField> fields;
  for (const PlanField& number : node.numbers)
    if (std::any_of(names.fields, names.fields + names.nbFields,
                    [&](const PluginField& name) { return number.name == name.name; }))
      fields.push_back(field_of(number));
  const nvinfer1::PluginFieldCollection collection{static_cast<std::int32_t>(fields.size()), fields.data()};
  const std::unique_ptr<nvinfer1::IPluginV3> plugin(
      v3.createPlugin(node.name.c_str(), &collection, nvinfer1::TensorRTPhase::kBUILD));
  if (plugin == nullptr) return std::nullopt;
  auto* const core = static_cast<nvinfer1::IPluginV3OneCore*>(
      plugin->getCapabilityInterface(nvinfer1::PluginCapabilityType::kCORE));
  auto* const runtime = static_cast<nvinfer1::IPluginV3OneRuntime*>(
      plugin->getCapabilityInterface(nvinfer1::PluginCapabilityType::kRUNTIME));
  if (core == nullptr || runtime == nullptr) return std::nullopt;
  PlanPlugin made{core->getPluginName(), core->getPluginVersion(), core->getPluginNamespace(), {}};
  const nvinfer1::PluginFieldCollection* const kept = runtime->getFieldsToSerialize();
  for (std::int32_t i = 0; kept != nullptr && i < kept->nbFields; ++i)
    made.fields.push_back(copy_of(kept->fields[i]));
  return made;
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
    for (const PlanField& field : wanted.fields) fields.push_back(field_of(field));
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

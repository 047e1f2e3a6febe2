// Opens NVML at run time. Its functions and structures are declared here as in nvml.h.
#include "tft/gpu_status.h"

#include <dlfcn.h>

#include <array>
#include <map>
#include <memory>
#include <mutex>

namespace tft {
namespace {

using Status = int;  // nvmlReturn_t
constexpr Status kSuccess = 0;
using Device = struct NvmlDevice*;
struct Utilization {
  unsigned gpu, memory;  // per cent
};
struct Memory {
  unsigned long long total, free, used;
};

struct Nvml {
  Status (*init)() = nullptr;
  Status (*count)(unsigned*) = nullptr;
  Status (*by_index)(unsigned, Device*) = nullptr;
  Status (*uuid)(Device, char*, unsigned) = nullptr;
  Status (*name)(Device, char*, unsigned) = nullptr;
  Status (*utilization)(Device, Utilization*) = nullptr;
  Status (*power)(Device, unsigned*) = nullptr;             // milliwatts
  Status (*power_limit)(Device, unsigned*) = nullptr;       // milliwatts
  Status (*energy)(Device, unsigned long long*) = nullptr;  // millijoules
  Status (*memory)(Device, Memory*) = nullptr;
};

template <class Function>
void find(void* handle, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(handle, name));
}

/// Opens and initializes the library once; it stays open until the process ends. Null if it does not load.
const Nvml* open(const std::string& library) {
  static std::mutex mutex;
  static std::map<std::string, std::unique_ptr<Nvml>> opened;
  const std::lock_guard lock(mutex);
  const auto known = opened.find(library);
  if (known != opened.end()) return known->second.get();
  std::unique_ptr<Nvml>& place = opened[library];
  void* const handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return nullptr;
  auto nvml = std::make_unique<Nvml>();
  find(handle, "nvmlInit_v2", nvml->init);
  find(handle, "nvmlDeviceGetCount_v2", nvml->count);
  find(handle, "nvmlDeviceGetHandleByIndex_v2", nvml->by_index);
  find(handle, "nvmlDeviceGetUUID", nvml->uuid);
  find(handle, "nvmlDeviceGetName", nvml->name);
  find(handle, "nvmlDeviceGetUtilizationRates", nvml->utilization);
  find(handle, "nvmlDeviceGetPowerUsage", nvml->power);
  find(handle, "nvmlDeviceGetEnforcedPowerLimit", nvml->power_limit);
  find(handle, "nvmlDeviceGetTotalEnergyConsumption", nvml->energy);
  find(handle, "nvmlDeviceGetMemoryInfo", nvml->memory);
  const bool usable = nvml->init != nullptr && nvml->count != nullptr && nvml->by_index != nullptr;
  if (usable && nvml->init() == kSuccess) place = std::move(nvml);
  return place.get();
}

/// The value that a function of the device returns; empty if the function is missing or fails.
template <class Value>
std::optional<Value> ask(Status (*function)(Device, Value*), Device device) {
  Value value{};
  if (function == nullptr || function(device, &value) != kSuccess) return std::nullopt;
  return value;
}

std::string text(Status (*function)(Device, char*, unsigned), Device device) {
  std::array<char, 128> characters{};
  if (function == nullptr || function(device, characters.data(), characters.size() - 1) != kSuccess)
    return "";
  return characters.data();
}

template <class Value>
std::optional<double> thousandths(std::optional<Value> value) {
  if (!value) return std::nullopt;
  return static_cast<double>(*value) / 1000;
}

}  // namespace

std::vector<GpuStatus> gpu_status(const std::string& library) {
  const Nvml* const nvml = open(library.empty() ? "libnvidia-ml.so.1" : library);
  unsigned count = 0;
  if (nvml == nullptr || nvml->count(&count) != kSuccess) return {};
  std::vector<GpuStatus> all;
  for (unsigned index = 0; index < count; ++index) {
    Device device = nullptr;
    if (nvml->by_index(index, &device) != kSuccess) continue;
    GpuStatus status;
    status.uuid = text(nvml->uuid, device);
    status.name = text(nvml->name, device);
    if (const auto utilization = ask(nvml->utilization, device))
      status.utilization = utilization->gpu / 100.0;
    status.power_watts = thousandths(ask(nvml->power, device));
    status.power_limit_watts = thousandths(ask(nvml->power_limit, device));
    status.energy_joules = thousandths(ask(nvml->energy, device));
    if (const auto memory = ask(nvml->memory, device)) {
      status.memory_total_bytes = memory->total;
      status.memory_used_bytes = memory->used;
    }
    all.push_back(std::move(status));
  }
  return all;
}

}  // namespace tft

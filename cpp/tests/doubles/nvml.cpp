// A double of libnvidia-ml with two GPUs: one reports everything, the other only its name and memory, as some
// GPUs do.
#include <cstdio>

#define EXPORT extern "C" __attribute__((visibility("default")))

struct Utilization {
  unsigned gpu, memory;
};
struct Memory {
  unsigned long long total, free, used;
};
using Device = struct NvmlDevice*;

namespace {
constexpr int kNotSupported = 3;
Device handle(unsigned index) { return reinterpret_cast<Device>(static_cast<unsigned long>(index) + 1); }
bool is_known(Device device) { return device == handle(0); }
}  // namespace

EXPORT int nvmlInit_v2() { return 0; }
EXPORT int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = 2;
  return 0;
}
EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device* device) {
  *device = handle(index);
  return 0;
}
EXPORT int nvmlDeviceGetUUID(Device device, char* text, unsigned length) {
  std::snprintf(text, length, "GPU-double-%d", is_known(device) ? 0 : 1);
  return 0;
}
EXPORT int nvmlDeviceGetName(Device device, char* text, unsigned length) {
  std::snprintf(text, length, "Double %d", is_known(device) ? 0 : 1);
  return 0;
}
EXPORT int nvmlDeviceGetUtilizationRates(Device device, Utilization* rates) {
  if (!is_known(device)) return kNotSupported;
  *rates = {62, 10};
  return 0;
}
EXPORT int nvmlDeviceGetPowerUsage(Device device, unsigned* milliwatts) {
  if (!is_known(device)) return kNotSupported;
  *milliwatts = 321500;
  return 0;
}
EXPORT int nvmlDeviceGetEnforcedPowerLimit(Device device, unsigned* milliwatts) {
  if (!is_known(device)) return kNotSupported;
  *milliwatts = 700000;
  return 0;
}
EXPORT int nvmlDeviceGetTotalEnergyConsumption(Device device, unsigned long long* millijoules) {
  if (!is_known(device)) return kNotSupported;
  *millijoules = 5000250;
  return 0;
}
EXPORT int nvmlDeviceGetMemoryInfo(Device, Memory* memory) {
  *memory = {1000, 400, 600};
  return 0;
}

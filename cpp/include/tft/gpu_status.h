// The state of each GPU of the machine, from NVIDIA's management library (NVML) if it is installed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tft {

/// One GPU. Values that the GPU or its driver does not report are absent.
struct GpuStatus {
  std::string uuid;  // "GPU-…": identifies the GPU, since NVML's order differs from CUDA's
  std::string name;
  std::optional<double> utilization;  // 0 to 1: the share of the last moment in which a kernel ran
  std::optional<double> power_watts;
  std::optional<double> power_limit_watts;
  std::optional<double> energy_joules;  // since the driver was loaded
  std::optional<std::uint64_t> memory_total_bytes;
  std::optional<std::uint64_t> memory_used_bytes;
};

/// All GPUs; none if NVML or the driver is missing. `library` is libnvidia-ml.so.1 by default. Takes about a
/// millisecond for each GPU, longer on the first call. Any thread.
std::vector<GpuStatus> gpu_status(const std::string& library = "");

}  // namespace tft

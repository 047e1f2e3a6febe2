// What each GPU of the machine is doing, by NVIDIA's management library (NVML), where it is there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tft {

/// One GPU. What the GPU or its driver does not tell is absent.
struct GpuStatus {
  std::string uuid;  // "GPU-…", the same in every program; NVML's order is not CUDA's
  std::string name;
  std::optional<double> utilization;  // 0 to 1: the share of the last moment in which a kernel ran
  std::optional<double> power_watts;
  std::optional<double> power_limit_watts;
  std::optional<double> energy_joules;  // since the driver was loaded
  std::optional<std::uint64_t> memory_total_bytes;
  std::optional<std::uint64_t> memory_used_bytes;
};

/// Every GPU; none where NVML or a driver lacks. `library` is libnvidia-ml.so.1 by default. Takes about a
/// millisecond for each GPU, at the first call more. Any thread.
std::vector<GpuStatus> gpu_status(const std::string& library = "");

}  // namespace tft

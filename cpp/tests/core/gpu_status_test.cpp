// The state of the GPUs, over a double of NVML.
#include "tft/gpu_status.h"

#include <gtest/gtest.h>

namespace tft {
namespace {

TEST(GpuStatusTest, ReportsEachGpuInWattsJoulesAndBytes) {
  const auto all = gpu_status(TFT_DOUBLE_NVML);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].uuid, "GPU-double-0");
  EXPECT_EQ(all[0].name, "Double 0");
  EXPECT_DOUBLE_EQ(all[0].utilization.value_or(0), 0.62);
  EXPECT_DOUBLE_EQ(all[0].power_watts.value_or(0), 321.5);
  EXPECT_DOUBLE_EQ(all[0].power_limit_watts.value_or(0), 700);
  EXPECT_DOUBLE_EQ(all[0].energy_joules.value_or(0), 5000.25);
  EXPECT_EQ(all[0].memory_used_bytes.value_or(0), 600u);
  EXPECT_FALSE(all[1].power_watts);
  EXPECT_FALSE(all[1].utilization);
  EXPECT_EQ(all[1].memory_total_bytes.value_or(0), 1000u);
}

TEST(GpuStatusTest, IsEmptyIfNvmlIsMissingOrNotNvml) {
  EXPECT_TRUE(gpu_status("/nowhere/libnvidia-ml.so.1").empty());
  EXPECT_TRUE(gpu_status("libm.so.6").empty());
}

}  // namespace
}  // namespace tft

// Compares a plan's tensors with the model's and lists the differences. This file does not use CUDA.
#pragma once

#include <string>
#include <vector>

#include "tensorrt/api.h"
#include "tft/model_shape.h"
#include "tft/result.h"

namespace tft {

/// The batch range of one optimisation profile.
struct ProfileBatches {
  int profile = 0;
  int min = 0, max = 0;
};

/// A batch size to run, and its profile. Smaller batches are padded to it.
struct Bucket {
  int size = 0;
  int profile = 0;
  int profile_max = 0;  // the largest batch of that profile
};

/// Describes the differences between the model's tensors and those of `subject` ("the plan"), the name used
/// in the text; empty if there are none. The batch is not compared.
std::string tensor_differences(const ModelShape& shape, const std::vector<tensorrt::TensorInfo>& tensors,
                               const std::string& subject);

/// The profiles that can run the model; PLAN_MISMATCH with all differences if there are none.
Result<std::vector<ProfileBatches>> check_plan(const ModelShape& shape, const tensorrt::Engine& engine);

/// Chooses the buckets 1, 2, 4 … and the maximum, each in the narrowest profile that includes it. `max_batch`
/// 0 means the largest batch of all profiles. OPTION if no profile includes the maximum.
Result<std::vector<Bucket>> choose_buckets(const std::vector<ProfileBatches>& profiles, int max_batch);

}  // namespace tft

// Compares a plan's tensors with the model's, and says exactly what differs. Free of CUDA.
#pragma once

#include <string>
#include <vector>

#include "tensorrt/api.h"
#include "tft/model_shape.h"
#include "tft/result.h"

namespace tft {

/// The batches that one optimisation profile takes.
struct ProfileBatches {
  int profile = 0;
  int min = 0, max = 0;
};

/// A batch size that is run, and the profile that it runs in. Smaller batches are padded to it.
struct Bucket {
  int size = 0;
  int profile = 0;
  int profile_max = 0;  // the largest batch of that profile
};

/// What differs between the model's tensors and those of `subject` ("the plan"), which stands in the text;
/// empty if nothing does. The batch is not looked at.
std::string tensor_differences(const ModelShape& shape, const std::vector<tensorrt::TensorInfo>& tensors,
                               const std::string& subject);

/// The profiles that can run the model; PLAN_MISMATCH with everything that differs otherwise.
Result<std::vector<ProfileBatches>> check_plan(const ModelShape& shape, const tensorrt::Engine& engine);

/// 1, 2, 4 … and the maximum, each in the narrowest profile that takes it. `max_batch` 0 is the largest that
/// any profile takes. OPTION if no profile takes it.
Result<std::vector<Bucket>> choose_buckets(const std::vector<ProfileBatches>& profiles, int max_batch);

}  // namespace tft

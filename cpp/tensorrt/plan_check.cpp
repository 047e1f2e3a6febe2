// Compares a plan with the model, tensor by tensor.
#include "tensorrt/plan_check.h"

#include <algorithm>
#include <limits>
#include <string>

namespace tft {
namespace {

using tensorrt::Engine;
using tensorrt::ProfileRange;
using tensorrt::TensorInfo;
using Dims = std::vector<std::int64_t>;

const char* name_of(ElementType type) { return type == ElementType::FLOAT32 ? "float32" : "int32"; }

/// "[batch, 288, 14]"; a dynamic dimension is -1, or 'batch' if it is the first.
std::string text_of(const Dims& dims) {
  std::string text = "[";
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (i > 0) text += ", ";
    text += i == 0 && dims[i] == -1 ? "batch" : std::to_string(dims[i]);
  }
  return text + "]";
}

Dims with_batch(std::int64_t batch, const Dims& item) {
  Dims dims = {batch};
  dims.insert(dims.end(), item.begin(), item.end());
  return dims;
}

void add(std::string& text, const std::string& what) { text += (text.empty() ? "" : "; ") + what; }

/// Collects differences.
class Comparison {
 public:
  Comparison(const std::vector<TensorInfo>& tensors, const std::string& subject)
      : tensors_(tensors), subject_(subject) {}

  void compare(const TensorShape& wanted, bool input) {
    const std::string kind = input ? "input" : "output";
    const auto found = std::find_if(tensors_.begin(), tensors_.end(),
                                    [&](const TensorInfo& tensor) { return tensor.name == wanted.name; });
    if (found == tensors_.end()) return differ(subject_ + " has no " + kind + " '" + wanted.name + "'");
    const std::string name = kind + " '" + wanted.name + "'";
    if (found->input != input) differ("'" + wanted.name + "' is no " + kind + " of " + subject_);
    if (found->type != name_of(wanted.type))
      differ(name + " is " + found->type + " in " + subject_ + " and " + name_of(wanted.type) +
             " in the model");
    if (!found->on_device) differ(name + " is required in host memory by " + subject_);
    const Dims dims = with_batch(-1, wanted.item);
    const bool same =
        found->dims.size() == dims.size() &&
        std::equal(dims.begin() + 1, dims.end(), found->dims.begin() + 1,
                   [](std::int64_t want, std::int64_t have) { return have == want || have == -1; });
    if (!same)
      differ(name + " is " + text_of(found->dims) + " in " + subject_ + " and " + text_of(dims) +
             " in the model");
  }

  void differ(const std::string& what) { add(differences_, what); }
  const std::string& differences() const { return differences_; }

 private:
  const std::vector<TensorInfo>& tensors_;
  const std::string& subject_;
  std::string differences_;
};

/// Narrows `batches` to the batches of a profile for one input; `problem` gets the reason if there are none.
void narrow(const Engine& engine, const TensorShape& input, int profile, ProfileBatches& batches,
            std::string& problem) {
  const ProfileRange range = engine.profile_range(input.name, profile);
  const std::size_t rank = input.item.size() + 1;
  bool inside = range.min.size() == rank && range.max.size() == rank;
  for (std::size_t i = 1; inside && i < rank; ++i)
    inside = range.min[i] <= input.item[i - 1] && input.item[i - 1] <= range.max[i];
  if (!inside) {
    add(problem, "profile " + std::to_string(profile) + " takes input '" + input.name + "' from " +
                     text_of(range.min) + " to " + text_of(range.max) + ", the model's is " +
                     text_of(with_batch(-1, input.item)));
    return;
  }
  const auto bounded = [](std::int64_t value) {
    return static_cast<int>(std::clamp<std::int64_t>(value, 0, std::numeric_limits<int>::max()));
  };
  batches.min = std::max(batches.min, bounded(range.min[0]));
  batches.max = std::min(batches.max, bounded(range.max[0]));
}

/// The profiles that include the model's sizes for every input; `why` gets the reason if there are none.
std::vector<ProfileBatches> usable_profiles(const ModelShape& shape, const Engine& engine, std::string& why) {
  std::vector<ProfileBatches> usable;
  for (int profile = 0; profile < engine.profiles(); ++profile) {
    std::string problem;
    ProfileBatches batches{profile, 1, std::numeric_limits<int>::max()};
    for (const TensorShape& input : shape.inputs) narrow(engine, input, profile, batches, problem);
    if (problem.empty() && batches.min > batches.max)
      problem = "profile " + std::to_string(profile) + " has no batch that all inputs support";
    if (problem.empty()) {
      usable.push_back(batches);
    } else {
      add(why, problem);
    }
  }
  if (why.empty()) why = "the plan has no optimisation profile";
  return usable;
}

}  // namespace

std::string tensor_differences(const ModelShape& shape, const std::vector<TensorInfo>& tensors,
                               const std::string& subject) {
  Comparison comparison(tensors, subject);
  for (const TensorShape& input : shape.inputs) comparison.compare(input, true);
  for (const TensorShape& output : shape.outputs) comparison.compare(output, false);
  for (const TensorInfo& tensor : tensors) {
    const auto same_name = [&](const TensorShape& other) { return other.name == tensor.name; };
    if (std::none_of(shape.inputs.begin(), shape.inputs.end(), same_name) &&
        std::none_of(shape.outputs.begin(), shape.outputs.end(), same_name))
      comparison.differ(subject + " has an " + (tensor.input ? "input" : "output") + " '" + tensor.name +
                        "' that the model does not have");
  }
  return comparison.differences();
}

Result<std::vector<ProfileBatches>> check_plan(const ModelShape& shape, const tensorrt::Engine& engine) {
  std::string problem = tensor_differences(shape, engine.tensors(), "the plan");
  // If tensors differ, their ranges are not compared.
  if (problem.empty()) {
    auto profiles = usable_profiles(shape, engine, problem);
    if (!profiles.empty()) return profiles;
  }
  return Error{ErrorCode::PLAN_MISMATCH, "the plan is not this model's: " + problem +
                                             ". Build the plan from the bundle's own ONNX file."};
}

Result<std::vector<Bucket>> choose_buckets(const std::vector<ProfileBatches>& profiles, int max_batch) {
  int largest = 0;
  for (const ProfileBatches& profile : profiles) largest = std::max(largest, profile.max);
  if (max_batch < 0 || max_batch > largest) {
    return Error{ErrorCode::OPTION, "the maximum batch: found " + std::to_string(max_batch) +
                                        ", expected 1 to the plan's " + std::to_string(largest) +
                                        ", or 0 for that"};
  }
  const int limit = max_batch == 0 ? largest : max_batch;

  std::vector<Bucket> buckets;
  const auto add = [&](int size) {
    const ProfileBatches* best = nullptr;
    for (const ProfileBatches& profile : profiles) {
      if (size < profile.min || size > profile.max) continue;
      if (best == nullptr || profile.max - profile.min < best->max - best->min) best = &profile;
    }
    if (best != nullptr && (buckets.empty() || buckets.back().size < size))
      buckets.push_back({size, best->profile, best->max});
  };
  for (std::int64_t size = 1; size < limit; size *= 2) add(static_cast<int>(size));
  add(limit);
  if (buckets.empty() || buckets.back().size < limit) {
    // If a profile's minimum is above the limit, batches are padded to it.
    const ProfileBatches* best = nullptr;
    for (const ProfileBatches& profile : profiles)
      if (profile.min > limit && (best == nullptr || profile.min < best->min)) best = &profile;
    if (best != nullptr) buckets.push_back({best->min, best->profile, best->max});
  }
  if (buckets.empty())
    return Error{ErrorCode::OPTION, "no optimisation profile takes a batch of " + std::to_string(limit)};
  return buckets;
}

}  // namespace tft

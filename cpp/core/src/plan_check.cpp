// The comparison of a plan with the model, tensor by tensor.
#include "plan_check.h"

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

/// "[batch, 288, 14]"; a dynamic dimension is -1, and the first one's name is 'batch'.
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

class Comparison {
 public:
  Comparison(const ModelShape& shape, const Engine& engine) : engine_(engine), tensors_(engine.tensors()) {
    for (const TensorShape& input : shape.inputs) compare(input, true);
    compare(shape.output, false);
    for (const TensorInfo& tensor : tensors_) {
      const bool known = tensor.name == shape.output.name ||
                         std::any_of(shape.inputs.begin(), shape.inputs.end(),
                                     [&](const TensorShape& input) { return input.name == tensor.name; });
      if (!known)
        differ("the plan has an " + std::string(tensor.input ? "input" : "output") + " '" + tensor.name +
               "' that the model has not");
    }
  }

  /// Profiles in which every input takes the model's sizes.
  std::vector<ProfileBatches> profiles(const ModelShape& shape) {
    std::vector<ProfileBatches> usable;
    std::string why;
    for (int profile = 0; profile < engine_.profiles(); ++profile) {
      std::string problem;
      ProfileBatches batches{profile, 1, std::numeric_limits<int>::max()};
      for (const TensorShape& input : shape.inputs) narrow(input, profile, batches, problem);
      if (problem.empty() && batches.min > batches.max)
        problem = "profile " + std::to_string(profile) + " has no batch that all inputs take";
      if (problem.empty()) {
        usable.push_back(batches);
      } else {
        why += (why.empty() ? "" : "; ") + problem;
      }
    }
    if (usable.empty()) differ(why.empty() ? "the plan has no optimisation profile" : why);
    return usable;
  }

  const std::string& differences() const { return differences_; }

 private:
  void differ(const std::string& what) { differences_ += (differences_.empty() ? "" : "; ") + what; }

  void compare(const TensorShape& wanted, bool input) {
    const std::string kind = input ? "input" : "output";
    const auto found = std::find_if(tensors_.begin(), tensors_.end(),
                                    [&](const TensorInfo& tensor) { return tensor.name == wanted.name; });
    if (found == tensors_.end()) return differ("the plan has no " + kind + " '" + wanted.name + "'");
    const std::string name = kind + " '" + wanted.name + "'";
    if (found->input != input) differ("'" + wanted.name + "' is no " + kind + " of the plan");
    if (found->type != name_of(wanted.type))
      differ(name + " is " + found->type + " in the plan and " + name_of(wanted.type) + " in the model");
    if (!found->on_device) differ(name + " is wanted in host memory by the plan");
    const Dims dims = with_batch(-1, wanted.item);
    const bool same =
        found->dims.size() == dims.size() &&
        std::equal(dims.begin() + 1, dims.end(), found->dims.begin() + 1,
                   [](std::int64_t want, std::int64_t have) { return have == want || have == -1; });
    if (!same)
      differ(name + " is " + text_of(found->dims) + " in the plan and " + text_of(dims) + " in the model");
  }

  void narrow(const TensorShape& input, int profile, ProfileBatches& batches, std::string& problem) const {
    const ProfileRange range = engine_.profile_range(input.name, profile);
    const std::size_t rank = input.item.size() + 1;
    bool inside = range.min.size() == rank && range.max.size() == rank;
    for (std::size_t i = 1; inside && i < rank; ++i)
      inside = range.min[i] <= input.item[i - 1] && input.item[i - 1] <= range.max[i];
    if (!inside) {
      problem += (problem.empty() ? "" : "; ") + std::string("profile ") + std::to_string(profile) +
                 " takes input '" + input.name + "' from " + text_of(range.min) + " to " +
                 text_of(range.max) + ", the model's is " + text_of(with_batch(-1, input.item));
      return;
    }
    const auto bounded = [](std::int64_t value) {
      return static_cast<int>(std::clamp<std::int64_t>(value, 0, std::numeric_limits<int>::max()));
    };
    batches.min = std::max(batches.min, bounded(range.min[0]));
    batches.max = std::min(batches.max, bounded(range.max[0]));
  }

  const Engine& engine_;
  std::vector<TensorInfo> tensors_;
  std::string differences_;
};

}  // namespace

Result<std::vector<ProfileBatches>> check_plan(const ModelShape& shape, const tensorrt::Engine& engine) {
  Comparison comparison(shape, engine);
  // Ranges of tensors that differ say nothing more.
  std::vector<ProfileBatches> profiles;
  if (comparison.differences().empty()) profiles = comparison.profiles(shape);
  if (comparison.differences().empty()) return profiles;
  return Error{ErrorCode::PLAN_MISMATCH, "the plan is not this model's: " + comparison.differences() +
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
    // A profile's minimum above the limit: its smallest batch takes the padding.
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

// A plan's tensors and profiles as TensorRT may report them of a plan from elsewhere: each is refused or
// gives buckets that its profiles can run.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tensorrt/api.h"
#include "tensorrt/plan_check.h"
#include "tft/model_shape.h"

namespace {

using tft::tensorrt::ProfileRange;
using tft::tensorrt::TensorInfo;

const char* const kNames[] = {"encoder_cont", "encoder_cat", "decoder_cont",
                              "decoder_cat",  "predictions", "mask"};
const char* const kTypes[] = {"float32", "int32", "float16"};

tft::ModelShape model() {
  using enum tft::ElementType;
  return {.inputs = {{"encoder_cont", FLOAT32, {3, 2}, {}},
                     {"encoder_cat", INT32, {3, 1}, {4}},
                     {"decoder_cont", FLOAT32, {2, 1}, {}},
                     {"decoder_cat", INT32, {2, 1}, {4}}},
          .outputs = {{"predictions", FLOAT32, {2, 3}, {}}}};
}

class FakeEngine : public tft::tensorrt::Engine {
 public:
  explicit FakeEngine(FuzzedDataProvider& bytes)
      : bytes_(bytes), profiles_(bytes.ConsumeIntegralInRange(0, 4)) {
    // Right at first, and then changed.
    const tft::ModelShape shape = model();
    const auto add = [this](const tft::TensorShape& tensor, bool input) {
      std::vector<std::int64_t> dims{-1};
      dims.insert(dims.end(), tensor.item.begin(), tensor.item.end());
      tensors_.push_back(
          {tensor.name, input, tensor.type == tft::ElementType::INT32 ? "int32" : "float32", dims, true});
    };
    for (const auto& tensor : shape.inputs) add(tensor, true);
    for (const auto& tensor : shape.outputs) add(tensor, false);
    for (int changes = bytes.ConsumeIntegralInRange(0, 3); changes > 0; --changes) change();
  }
  std::vector<TensorInfo> tensors() const override { return tensors_; }
  int profiles() const override { return profiles_; }
  bool use_runtime_cache(std::span<const std::byte>) override { return false; }
  std::vector<std::byte> runtime_cache() const override { return {}; }
  ProfileRange profile_range(const std::string& name, int) const override {
    ProfileRange range;
    for (const TensorInfo& tensor : tensors_) {
      if (tensor.name == name) range.min = range.opt = range.max = tensor.dims;
    }
    const auto batch = [this] { return bytes_.ConsumeIntegral<std::int64_t>(); };
    const bool small = bytes_.ConsumeBool();
    for (auto* bound : {&range.min, &range.max}) {
      if (bytes_.ConsumeIntegralInRange(0, 15) == 0) *bound = dims();
      if (!bound->empty())
        bound->front() = small ? bytes_.ConsumeIntegralInRange<std::int64_t>(-1, 64) : batch();
    }
    return range;
  }
  std::int64_t activation_bytes(int) const override { return 0; }
  std::unique_ptr<tft::tensorrt::Context> create_context() override { return nullptr; }
  std::string name() const override { return bytes_.ConsumeRandomLengthString(8); }
  std::string layers() const override { return ""; }

 private:
  std::vector<std::int64_t> dims() const {
    std::vector<std::int64_t> dims(bytes_.ConsumeIntegralInRange<std::size_t>(0, 4));
    for (auto& dim : dims) dim = bytes_.ConsumeIntegral<std::int64_t>();
    return dims;
  }
  void change() {
    const auto index = [this](std::size_t size) {
      return bytes_.ConsumeIntegralInRange<std::size_t>(0, size - 1);
    };
    if (bytes_.ConsumeBool() || tensors_.empty()) {
      tensors_.push_back({bytes_.PickValueInArray(kNames), bytes_.ConsumeBool(),
                          bytes_.PickValueInArray(kTypes), dims(), bytes_.ConsumeBool()});
    } else if (bytes_.ConsumeBool()) {
      tensors_.erase(tensors_.begin() + static_cast<std::ptrdiff_t>(index(tensors_.size())));
    } else {
      tensors_[index(tensors_.size())].dims = dims();
    }
  }

  FuzzedDataProvider& bytes_;
  int profiles_;
  std::vector<TensorInfo> tensors_;
};

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider bytes(data, size);
  const int wanted = bytes.ConsumeIntegral<int>();
  const FakeEngine engine(bytes);
  const auto profiles = tft::check_plan(model(), engine);
  if (!profiles.ok()) return 0;
  require(!profiles->empty());
  for (const int most : {0, 1, 8, wanted}) {
    const auto buckets = tft::choose_buckets(*profiles, most);
    if (!buckets.ok()) continue;
    require(!buckets->empty());
    int before = 0;
    for (const tft::Bucket& bucket : *buckets) {
      require(bucket.size > before && bucket.size <= bucket.profile_max);
      before = bucket.size;
    }
  }
  return 0;
}

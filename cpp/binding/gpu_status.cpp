#include "gpu_status.h"

#include <utility>
#include <vector>

#include "tft/gpu_status.h"
#include "work.h"

namespace tft::binding {
namespace {

class GpuStatusWork : public Work {
 public:
  explicit GpuStatusWork(std::string library) : library_(std::move(library)) {}

 protected:
  void execute() override { all_ = gpu_status(library_); }
  void settle(Napi::Env env, const Napi::Promise::Deferred& promise) override {
    auto list = Napi::Array::New(env, all_.size());
    for (std::uint32_t index = 0; index < all_.size(); ++index) {
      const GpuStatus& status = all_[index];
      auto object = Napi::Object::New(env);
      object.Set("uuid", status.uuid);
      object.Set("name", status.name);
      const auto set = [&](const char* key, const auto& value) {
        if (value) object.Set(key, Napi::Number::New(env, static_cast<double>(*value)));
      };
      set("utilization", status.utilization);
      set("powerWatts", status.power_watts);
      set("powerLimitWatts", status.power_limit_watts);
      set("energyJoules", status.energy_joules);
      set("memoryTotalBytes", status.memory_total_bytes);
      set("memoryUsedBytes", status.memory_used_bytes);
      list.Set(index, object);
    }
    promise.Resolve(list);
  }

 private:
  std::string library_;
  std::vector<GpuStatus> all_;
};

}  // namespace

Napi::Value gpu_status_async(const Napi::CallbackInfo& info) {
  std::string library = info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : "";
  return Work::start(info.Env(), std::make_unique<GpuStatusWork>(std::move(library)));
}

}  // namespace tft::binding

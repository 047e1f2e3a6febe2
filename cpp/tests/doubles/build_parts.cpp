#include "build_parts.h"

#include <sstream>

namespace doubles {

const std::string TimingCache::first_line = "tft-double-timing-cache 1\n";

std::shared_ptr<Timings> TimingCache::read(const std::string& bytes) {
  constexpr std::size_t digits = 8;
  if (bytes.size() < digits || !bytes.starts_with(first_line)) return nullptr;
  const std::string text = bytes.substr(0, bytes.size() - digits);
  if (checksum(text) != bytes.substr(text.size())) return nullptr;
  auto timings = std::make_shared<Timings>();
  std::istringstream lines(text.substr(first_line.size()));
  std::getline(lines, timings->version);
  std::getline(lines, timings->gpu);
  for (std::string model; std::getline(lines, model);) timings->models.insert(model);
  return timings;
}

std::string gpu_text(const CudaLink& cuda) {
  const int device = cuda.current_device();
  return std::to_string(cuda.compute_capability(device)) + " " + cuda.device_name(device);
}

nvinfer1::ITimingCache* Config::createTimingCache(void const* bytes, std::size_t size) const noexcept {
  if (fails(cuda_, logger_, "createTimingCache")) return nullptr;
  const std::string own = Version().text();
  auto content = std::make_shared<Timings>();
  content->version = own;
  content->gpu = gpu_text(cuda_);
  if (size > 0) content = TimingCache::read({static_cast<const char*>(bytes), size});
  if (content == nullptr || content->version != own) {
    log_error(logger_,
              "IBuilderConfig::createTimingCache: Error Code 1: Serialization (the timing cache is " +
                  (content == nullptr ? "damaged" : "of version " + content->version) + ")");
    return nullptr;
  }
  return new TimingCache(cuda_, logger_, std::move(content));
}

bool Config::setTimingCache(nvinfer1::ITimingCache const& cache, bool ignore_mismatch) noexcept {
  if (fails(cuda_, logger_, "setTimingCache")) return false;
  const auto& own = static_cast<const TimingCache&>(cache);
  if (!ignore_mismatch && own.timings->gpu != gpu_text(cuda_)) {
    log_error(logger_,
              "IBuilderConfig::setTimingCache: Error Code 1: Serialization (the timing cache is of GPU " +
                  own.timings->gpu + ")");
    return false;
  }
  cache_ = &cache;
  timings = own.timings;
  return true;
}

}  // namespace doubles

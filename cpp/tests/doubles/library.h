// Shared by the sources of libnvinfer's double: its version, and conversions between plans and TensorRT's
// types.
#pragma once
#include <NvInferRuntime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "cuda_link.h"

namespace doubles {

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::ILogger;

constexpr int success = 0;

/// The version that this library claims: TFT_DOUBLE_TENSORRT_VERSION (8.6.1, 10.11.0.33), else its headers'.
struct Version {
  int major = NV_TENSORRT_MAJOR;
  int minor = NV_TENSORRT_MINOR;
  int patch = NV_TENSORRT_PATCH;
  int build = NV_TENSORRT_BUILD;

  Version() {
    if (const char* text = std::getenv("TFT_DOUBLE_TENSORRT_VERSION")) {
      std::sscanf(text, "%d.%d.%d.%d", &major, &minor, &patch, &build);
    }
  }
  /// As getInferLibVersion gives it; the factor of the major version changed with TensorRT 10.
  int number() const { return major * (major >= 10 ? 10000 : 1000) + minor * 100 + patch; }
  std::string text() const {
    return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch) + "." +
           std::to_string(build);
  }
};

inline DataType data_type(const std::string& type) {
  if (type == "float32") return DataType::kFLOAT;
  if (type == "float16") return DataType::kHALF;
  if (type == "int32") return DataType::kINT32;
  if (type == "int64") return DataType::kINT64;
  if (type == "int8") return DataType::kINT8;
  return DataType::kBOOL;
}

inline const char* type_name(DataType type) {
  switch (type) {
    case DataType::kFLOAT:
      return "float32";
    case DataType::kHALF:
      return "float16";
    case DataType::kINT32:
      return "int32";
    case DataType::kINT64:
      return "int64";
    case DataType::kINT8:
      return "int8";
    default:
      return "bool";
  }
}

inline Dims to_dims(const std::vector<std::int64_t>& values) {
  Dims dims{};
  dims.nbDims = static_cast<std::int32_t>(values.size());
  std::copy(values.begin(), values.end(), dims.d);
  return dims;
}

inline std::vector<std::int64_t> from_dims(const Dims& dims) {
  return {dims.d, dims.d + std::clamp(dims.nbDims, 0, Dims::MAX_DIMS)};
}

inline std::size_t volume(const std::vector<std::int64_t>& dims, std::size_t first = 0) {
  std::size_t product = 1;
  for (std::size_t i = first; i < dims.size(); ++i)
    product *= static_cast<std::size_t>(std::max<std::int64_t>(dims[i], 0));
  return product;
}

inline void log_error(ILogger& logger, const std::string& text) {
  logger.log(ILogger::Severity::kERROR, text.c_str());
}

/// Counts a call of the API. If a fault fires or the device is lost, logs it as TensorRT does and returns
/// true.
inline bool fails(const CudaLink& cuda, ILogger& logger, const char* function) {
  const int code = cuda.call(function);
  if (code == success) return false;
  log_error(logger,
            std::string(function) + ": Error Code 1: Cuda Runtime (code " + std::to_string(code) + ")");
  return true;
}

/// Returns false without a GPU. The real library (10.15) then logs an error and returns a pointer that is
/// neither null nor usable.
inline bool may_begin(const CudaLink* cuda, ILogger& logger) {
  if (cuda != nullptr && cuda->setting("devices") >= 1 &&
      std::getenv("TFT_DOUBLE_TENSORRT_NO_GPU") == nullptr)
    return true;
  log_error(logger,
            "CUDA initialization failure with error: 35. Please check your CUDA installation: "
            "http://docs.nvidia.com/cuda/cuda-installation-guide-linux/index.html");
  return false;
}
inline void* no_gpu_pointer() { return reinterpret_cast<void*>(0x238); }

}  // namespace doubles

// The functions of the plugin registry that the double does not model; see unmodelled.h.
#pragma once
#include <NvInferRuntime.h>

#include "unmodelled.h"

namespace doubles {

class UnmodelledRegistry : public nvinfer1::IPluginRegistry {
 public:
  void setErrorRecorder(nvinfer1::IErrorRecorder*) noexcept override { unmodelled("setErrorRecorder"); }
  nvinfer1::IErrorRecorder* getErrorRecorder() const noexcept override {
    unmodelled("getErrorRecorder");
    return {};
  }
  nvinfer1::IPluginResource* acquirePluginResource(nvinfer1::AsciiChar const*,
                                                   nvinfer1::IPluginResource*) noexcept override {
    unmodelled("acquirePluginResource");
    return {};
  }
  std::int32_t releasePluginResource(nvinfer1::AsciiChar const*) noexcept override {
    unmodelled("releasePluginResource");
    return {};
  }
#if NV_TENSORRT_MAJOR == 10
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  bool registerCreator(nvinfer1::IPluginCreator&, nvinfer1::AsciiChar const*) noexcept override {
    unmodelled("registerCreator of an IPluginCreator");
    return {};
  }
  nvinfer1::IPluginCreator* const* getPluginCreatorList(std::int32_t*) const noexcept override {
    unmodelled("getPluginCreatorList");
    return {};
  }
  nvinfer1::IPluginCreator* getPluginCreator(nvinfer1::AsciiChar const*, nvinfer1::AsciiChar const*,
                                             nvinfer1::AsciiChar const*) noexcept override {
    unmodelled("getPluginCreator");
    return {};
  }
  bool deregisterCreator(nvinfer1::IPluginCreator const&) noexcept override {
    unmodelled("deregisterCreator of an IPluginCreator");
    return {};
  }
#pragma GCC diagnostic pop
#endif
};

}  // namespace doubles

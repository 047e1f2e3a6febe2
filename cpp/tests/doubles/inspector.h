// The double's engine inspector: a JSON text of the form of TensorRT's, with the plan's two layers.
#pragma once
#include <string>

#include "library.h"
#include "plan.h"
#include "unmodelled_builder.h"

namespace doubles {

class Inspector final : public nvinfer1::IEngineInspector, public UnmodelledInspector {
 public:
  Inspector(const CudaLink& cuda, ILogger& logger, const Plan& plan) : cuda_(cuda), logger_(logger) {
    mImpl = this;
    cuda_.count_created("inspector");
    for (const PlanLayer& layer : layers_of(plan)) {
      text_ += text_.empty() ? "{\"Layers\": [" : ", ";
      text_ += std::string("{\"Name\": \"") + layer.name + "\", \"LayerType\": \"" + layer.type + "\"}";
    }
    text_ += "], \"Bindings\": [";
    for (const PlanTensor& tensor : plan.tensors)
      text_ += (&tensor == &plan.tensors.front() ? "\"" : ", \"") + tensor.name + "\"";
    text_ += "]}";
  }
  ~Inspector() noexcept override { cuda_.count_freed("inspector"); }

  nvinfer1::IEngineInspector* getPImpl() noexcept override { return this; }
  char const* getEngineInformation(nvinfer1::LayerInformationFormat format) const noexcept override {
    if (fails(cuda_, logger_, "getEngineInformation")) return nullptr;
    return format == nvinfer1::LayerInformationFormat::kJSON ? text_.c_str() : "";
  }

 private:
  const CudaLink& cuda_;
  ILogger& logger_;
  std::string text_;
};

}  // namespace doubles

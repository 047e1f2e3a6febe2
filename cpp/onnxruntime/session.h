// A loaded ONNX file. Several threads may run it at once, each in its own memory.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/host_lane.h"
#include "onnxruntime/custom_operators.h"
#include "onnxruntime/library.h"
#include "tft/log.h"
#include "tft/model_shape.h"
#include "tft/result.h"

namespace tft::onnxruntime {

class Session final : public HostModel {
 public:
  /// MODEL_INVALID if the file cannot be loaded or its tensors are not those of `shape`. With `kernels`, ours
  /// run the parts that they support.
  static Result<std::unique_ptr<Session>> load(const std::string& onnx, const ModelShape& shape, bool kernels,
                                               const Log& log);
  ~Session() override;

  Result<void> run(const BatchLayout& layout, std::byte* block, int series) const override;
  void describe(EngineInfo& info) const override;

 private:
  Session(const Library& library, const ModelShape& shape) : library_(library), shape_(shape) {}
  /// Loads the file with our kernels, as far as they support it. Otherwise there is no session afterwards,
  /// and the file is to be loaded as it is.
  void load_fused(const std::string& onnx, const Log& log);
  Result<void> check(const std::string& onnx) const;
  /// The types and shapes of the file's tensors, as text, by name.
  Result<std::map<std::string, std::string>> tensors(bool inputs) const;

  const Library& library_;
  const ModelShape shape_;
  std::unique_ptr<CustomOperators> operators_;
  std::vector<std::string> fused_;  // the parts that our kernels run
  OrtSession* session_ = nullptr;
};

}  // namespace tft::onnxruntime

// A loaded ONNX file. Several threads may run it at once, each in its own memory.
#pragma once

#include <memory>
#include <string>

#include "engine/host_lane.h"
#include "onnxruntime/library.h"
#include "tft/model_shape.h"
#include "tft/result.h"

namespace tft::onnxruntime {

class Session final : public HostModel {
 public:
  /// MODEL_INVALID if the file cannot be loaded or its tensors are not those of `shape`.
  static Result<std::unique_ptr<Session>> load(const std::string& onnx, const ModelShape& shape);
  ~Session() override;

  Result<void> run(const BatchLayout& layout, std::byte* block, int series) const override;

 private:
  Session(const Library& library, const ModelShape& shape) : library_(library), shape_(shape) {}
  Result<void> check(bool inputs, const std::vector<TensorShape>& expected) const;
  std::string check_tensor(bool input, std::size_t index, const std::vector<TensorShape>& expected) const;

  const Library& library_;
  const ModelShape shape_;
  OrtSession* session_ = nullptr;
};

}  // namespace tft::onnxruntime

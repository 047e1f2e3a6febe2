// A loaded TorchScript module. Several threads may run it at once, each in its own memory.
#pragma once

#include <memory>
#include <string>

#include "engine/host_lane.h"
#include "libtorch/library.h"
#include "tft/libtorch.h"
#include "tft/model_shape.h"
#include "tft/result.h"

namespace tft::libtorch {

class Module final : public HostModel {
 public:
  /// Errors as load_libtorch.
  static Result<std::unique_ptr<Module>> load(const std::string& file, const ModelShape& shape,
                                              const LibTorchOptions& options);
  ~Module() override;

  Result<void> run(const BatchLayout& layout, std::byte* block, int series) const override;

 private:
  Module(const Library& library, TftLibTorchModule* module) : library_(library), module_(module) {}

  const Library& library_;
  TftLibTorchModule* const module_;
};

}  // namespace tft::libtorch

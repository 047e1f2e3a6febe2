// Loads a module through the library's interface, and runs it.
#include "libtorch/module.h"

#include <array>
#include <filesystem>
#include <vector>

namespace tft::libtorch {
namespace {

/// The length of the longest message that is passed on.
constexpr std::size_t kMessage = 2000;
using Message = std::array<char, kMessage>;

ErrorCode code_of(std::int32_t status) {
  switch (status) {
    case TFT_LIBTORCH_MODEL:
      return ErrorCode::MODEL_INVALID;
    case TFT_LIBTORCH_DEVICE:
      return ErrorCode::BACKEND_UNAVAILABLE;
    case TFT_LIBTORCH_MEMORY:
      return ErrorCode::OUT_OF_MEMORY;
    default:
      return ErrorCode::RUN;
  }
}

std::vector<TftLibTorchTensor> described(const std::vector<TensorShape>& tensors) {
  std::vector<TftLibTorchTensor> all;
  for (const TensorShape& tensor : tensors)
    all.push_back(
        {tensor.name.c_str(), tensor.type == ElementType::INT32, tensor.item.data(), tensor.item.size()});
  return all;
}

}  // namespace

Result<std::unique_ptr<Module>> Module::load(const std::string& file, const ModelShape& shape,
                                             const LibTorchOptions& options) {
  const auto library = open_library(options.library);
  if (!library) return library.error();
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored))
    return Error{ErrorCode::MODEL_NOT_FOUND, "no TorchScript module at " + file};
  const std::vector<TftLibTorchTensor> inputs = described(shape.inputs);
  const std::vector<TftLibTorchTensor> outputs = described(shape.outputs);
  const TftLibTorchShape tensors{inputs.data(), inputs.size(), outputs.data(), outputs.size()};
  Message message{};
  TftLibTorchModule* module = nullptr;
  const std::int32_t status = (*library)->load(file.c_str(), options.device.c_str(), options.threads,
                                               &tensors, &module, message.data(), message.size());
  if (status != TFT_LIBTORCH_OK)
    return Error{code_of(status), "LibTorch cannot load " + file + ": " + message.data()};
  return std::unique_ptr<Module>(new Module(**library, module));
}

Module::~Module() { library_.free(module_); }

Result<void> Module::run(const BatchLayout& layout, std::byte* block, int series) const {
  std::vector<const void*> inputs;
  std::vector<float*> outputs;
  for (const BatchLayout::Tensor& tensor : layout.inputs) inputs.push_back(block + tensor.offset);
  for (const BatchLayout::Tensor& tensor : layout.outputs)
    outputs.push_back(reinterpret_cast<float*>(block + tensor.offset));
  Message message{};
  const std::int32_t status =
      library_.run(module_, inputs.data(), series, outputs.data(), message.data(), message.size());
  if (status == TFT_LIBTORCH_OK) return {};
  return Error{code_of(status), std::string("LibTorch failed to run the module: ") + message.data()};
}

}  // namespace tft::libtorch

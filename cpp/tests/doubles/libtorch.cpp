// The double of libtft_libtorch.so. Its modules are text: "tft-double-module", then perhaps "fails", whose
// runs fail. Its model is that of formula.h with the seed 7. TFT_DOUBLE_RUN_US: what a run takes.
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "formula.h"
#include "libtorch/interface.h"

namespace {

constexpr std::uint32_t kSeed = 7;

struct Tensor {
  bool integers = false;
  std::size_t item = 1;
};

std::vector<Tensor> copied(const TftLibTorchTensor* tensors, std::size_t count) {
  std::vector<Tensor> all(count);
  for (std::size_t i = 0; i < count; ++i) {
    all[i].integers = tensors[i].is_int32 != 0;
    for (std::size_t d = 0; d < tensors[i].dimensions; ++d)
      all[i].item *= static_cast<std::size_t>(tensors[i].item[d]);
  }
  return all;
}

std::int32_t refuse(std::int32_t status, const std::string& message, char* error, std::size_t size) {
  std::strncpy(error, message.c_str(), size - 1);
  error[size - 1] = '\0';
  return status;
}

}  // namespace

struct TftLibTorchModule {
  bool fails = false;
  std::vector<Tensor> inputs, outputs;
};

extern "C" {

std::int32_t tft_libtorch_interface(void) { return TFT_DOUBLE_INTERFACE; }
const char* tft_libtorch_version(void) { return "0.0.0-double"; }

std::int32_t tft_libtorch_load(const char* file, const char* device, std::int32_t,
                               const TftLibTorchShape* shape, TftLibTorchModule** module, char* error,
                               std::size_t error_size) {
  if (std::strcmp(device, "cpu") != 0)
    return refuse(TFT_LIBTORCH_DEVICE, std::string(device) + " does not exist", error, error_size);
  std::ifstream text(file);
  std::string first;
  std::string second;
  text >> first >> second;
  if (first != "tft-double-module")
    return refuse(TFT_LIBTORCH_MODEL, "not a module" + std::string(5000, '.'), error, error_size);
  *module = new TftLibTorchModule{second == "fails", copied(shape->inputs, shape->input_count),
                                  copied(shape->outputs, shape->output_count)};
  return TFT_LIBTORCH_OK;
}

std::int32_t tft_libtorch_run(TftLibTorchModule* module, const void* const* inputs, std::int64_t batch,
                              float* const* outputs, char* error, std::size_t error_size) {
  if (const char* const us = std::getenv("TFT_DOUBLE_RUN_US"))
    std::this_thread::sleep_for(std::chrono::microseconds(std::atoi(us)));
  if (module->fails) return refuse(TFT_LIBTORCH_RUN, "index out of range", error, error_size);
  for (std::size_t row = 0; row < static_cast<std::size_t>(batch); ++row) {
    std::vector<double> sums;
    for (std::size_t i = 0; i < module->inputs.size(); ++i) {
      const auto [integers, item] = module->inputs[i];
      sums.push_back(integers ? doubles::weighted_sum(
                                    static_cast<const std::int32_t*>(inputs[i]) + row * item, item, i, kSeed)
                              : doubles::weighted_sum(static_cast<const float*>(inputs[i]) + row * item, item,
                                                      i, kSeed));
    }
    for (std::size_t o = 0; o < module->outputs.size(); ++o) {
      const std::size_t item = module->outputs[o].item;
      for (std::size_t k = 0; k < item; ++k)
        outputs[o][row * item + k] = doubles::mix(sums.data(), sums.size(), k, kSeed);
    }
  }
  return TFT_LIBTORCH_OK;
}

void tft_libtorch_free(TftLibTorchModule* module) { delete module; }
}

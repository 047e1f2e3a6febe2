// Bodies as tft-server reads them: whatever the bytes, they are read within their bounds, and are either
// tensors of the model's sizes or refused with a code and a message.
//
// The first byte chooses the format; for binary tensors the next two say how much of the rest is JSON.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "server/encoding.h"
#include "server/infer_format.h"
#include "server/predict_format.h"

// No model is loaded here, so the engine itself is not linked.
class tft::TFTEngine::Impl {};
tft::TFTEngine::~TFTEngine() = default;

namespace {

using namespace tft;
using namespace tft::server;

constexpr std::size_t kMaxSeries = 4;
constexpr std::size_t kMaxBytes = 1 << 20;

void require(bool holds) {
  if (!holds) std::abort();
}

ServedModel tiny() {
  ServedModel model;
  model.name = "tiny";
  model.version = "1";
  model.description.quantiles = {0.1, 0.5, 0.9};
  model.description.shape.inputs = {{"encoder_cont", ElementType::FLOAT32, {6, 3}},
                                    {"encoder_cat", ElementType::INT32, {6, 2}, {3, 4}},
                                    {"decoder_cont", ElementType::FLOAT32, {4, 2}},
                                    {"decoder_cat", ElementType::INT32, {4, 2}, {3, 4}}};
  model.description.shape.outputs = {{"predictions", ElementType::FLOAT32, {4, 3}}};
  model.description.channels.resize(4);
  return model;
}

/// Reads every value: an input of a wrong size would be read out of its bounds.
void check(const Inputs& inputs, const ServedModel& model) {
  const int series = inputs.series(kMaxSeries);
  require(series > 0 && static_cast<std::size_t>(series) <= kMaxSeries);
  const std::vector<const void*> arrays = inputs.pointers();
  std::vector<std::vector<std::uint32_t>> copies;  // binary tensors may begin anywhere
  std::vector<const void*> aligned;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const std::size_t count = static_cast<std::size_t>(series) * ServedModel::size_of(model.inputs()[i]);
    std::memcpy(copies.emplace_back(count).data(), arrays[i], count * 4);
    aligned.push_back(copies.back().data());
  }
  BadValue bad;
  if (find_bad_value(model.description.shape, aligned, series, bad))
    require(!std::string_view(bad_value_error(model, bad).what()).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ServedModel MODEL = tiny();
  static Budget budget(std::int64_t{1} << 30);
  if (size < 3) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 3, size - 3);
  const std::size_t header = data[1] * std::size_t{256} + data[2];
  try {
    Holding holding(budget);
    switch (data[0] % 6) {
      case 0:
        check(read_predict(bytes, MODEL, kMaxSeries, holding), MODEL);
        break;
      case 1: {
        const InferRequest request = read_infer(bytes, std::nullopt, MODEL, kMaxSeries, holding);
        check(request.inputs, MODEL);
        const float predictions[12] = {};
        const std::span<const float> values[] = {predictions};
        write_infer(MODEL, request, values, 1);
        break;
      }
      case 2:
        check(read_infer(bytes, header, MODEL, kMaxSeries, holding).inputs, MODEL);
        break;
      case 3:
        require(unpack(bytes, header % 2 == 0 ? Encoding::GZIP : Encoding::BR, kMaxBytes, holding).size() <=
                kMaxBytes);
        break;
      case 4:
        preferred_encoding(bytes);
        encoding_of(bytes);
        break;
      default:
        header_length(bytes, kMaxBytes);
    }
  } catch (const HttpError& error) {
    require(error.status() >= 400 && error.status() < 500);
    require(!std::string_view(error.what()).empty());
  }
  require(budget.used() == 0);
  return 0;
}

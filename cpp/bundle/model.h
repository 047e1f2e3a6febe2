// A bundle's model.json, as far as serving needs it: docs/export.md describes the file.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "tft/model_shape.h"
#include "tft/result.h"

namespace tft::bundle {

struct Model {
  std::string directory;  // the bundle's folder
  std::string name;
  std::string target;
  double step_minutes = 0;
  /// The fewest of the encoder's steps that a series may have, and the input that says how many it has; 0 and
  /// none for a model that takes all alone.
  int min_encoder_length = 0;
  std::optional<std::size_t> lengths_input;
  std::vector<double> quantiles;
  /// The inputs that every model has come first, in the contract's order; the predictions are the first
  /// output.
  ModelShape shape;
  /// For each input, the names of its channels, for messages; empty where they have none.
  std::vector<std::vector<std::string>> channels;
  std::string onnx;  // the path of the ONNX file
  std::size_t onnx_bytes = 0;
  std::string onnx_sha256;
};

/// Reads and checks a description. `path` is the bundle's folder or its model.json.
/// Errors: MODEL_NOT_FOUND, MODEL_INVALID.
Result<Model> read_model(const std::string& path);

/// Compares the ONNX file's size and hash with the description. Errors: MODEL_NOT_FOUND, MODEL_HASH.
Result<void> verify_onnx(const Model& model);

}  // namespace tft::bundle

// The plans of the doubles: a short text with tensors, shapes and profiles, and a checksum at its end. The
// first line is `tft-double-plan 1`; most of the other lines are optional:
//
// clang-format off
//   version 10.16.0.72        the TensorRT that "built" the plan; * runs on every version
//   compatible                runs on every version of the same major version, and on the lean runtime
//   gpu 90 Double 0           the GPU that it was built on: compute capability and name; without it, any GPU runs the plan
//   targets 86,120            TensorRT for RTX's: the compute capabilities that it was built for, of GPUs of any name
//   hardware ampere+          ampere+: also runs on compute capabilities from 80 on; same: on the same capability
//   onnx 1a2b3c4d             FNV-1a, 32 bits, of the ONNX file
//   flags strong,tf32         the builder's flags
//   seed 7                    the seed of the model's weights
//   weights 1048576           bytes of device memory for the engine
//   activation 65536          bytes of device memory for each row of a batch
//   noop                      the model computes nothing, for benchmarks
//   samples /path/samples     a bundle's sample windows: for these the model returns PyTorch's output
//   wrong 0                   the model is wrong in this profile
//   hostcode                  refused unless the runtime allows host code
//   plugin TftDouble 1        refused unless a creator has this name and version (and namespace, which may follow)
//   field size int32 4        a field of the preceding plugin: int32, float32 or float64; commas separate values
//   input encoder_cont float32 -1,288,14
//   output predictions float32 -1,96,7
//   profile                   begins an optimisation profile
//   range encoder_cont 1,288,14 8,288,14 32,288,14    the range of an input: minimum, optimum, maximum
//   checksum 1a2b3c4d         FNV-1a, 32 bits, of all bytes before this line
// clang-format on
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace doubles {

struct PlanTensor {
  std::string name;
  bool input = false;
  std::string type;  // float32, float16, int32, int64, int8, bool
  std::vector<std::int64_t> dims;
};

using PlanRange = std::array<std::vector<std::int64_t>, 3>;  // minimum, optimum, maximum

/// A field from which a creator makes a plugin.
struct PlanField {
  std::string name;
  std::string type;  // int32, float32 or float64
  std::vector<std::int32_t> integers;
  std::vector<float> reals;
  std::vector<double> doubles = {};
};

struct PlanPlugin {
  std::string name;
  std::string version = "1";
  std::string plugin_namespace;
  std::vector<PlanField> fields;
};

struct Plan {
  std::string version = "*";
  bool version_compatible = false;
  std::string gpu;
  int compute = 0;
  std::vector<int> targets;
  std::string hardware;
  std::string onnx;
  std::string flags;
  std::uint32_t seed = 7;
  std::size_t weights = 1 << 20;
  std::size_t activation = 1 << 16;
  bool host_code = false;
  bool noop = false;
  std::string samples;
  int wrong = -1;
  std::vector<PlanPlugin> plugins;
  std::vector<PlanTensor> tensors;
  std::vector<std::map<std::string, PlanRange>> profiles;

  /// Stricter than TensorRT, which only warns if nothing but the GPU's name differs.
  bool runs_on(const std::string& gpu_name, int compute_capability) const;
};

/// "9.0" of 90.
std::string compute_text(int compute);
/// FNV-1a, 32 bits, in hexadecimal digits.
std::string checksum(std::string_view text);

/// A layer as the inspector and the profiler have it: the double's models have two.
struct PlanLayer {
  const char* name;
  const char* type;
  float milliseconds;
};
std::array<PlanLayer, 2> layers_of(const Plan& plan);

std::string write_plan(const Plan& plan);
/// Empty, with `problem` set, if the text is not a complete and valid plan.
std::optional<Plan> read_plan(std::string_view text, std::string& problem);

/// A plan with the tensors of the demo model and one profile for each of the maximum batches given.
Plan demo_plan(const std::vector<std::int64_t>& max_batches = {32}, std::uint32_t seed = 7);

std::size_t bytes_of_type(const std::string& type);

}  // namespace doubles

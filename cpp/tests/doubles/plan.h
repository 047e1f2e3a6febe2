// The double's plans: a short text that names tensors, shapes and profiles, with a checksum over all that
// precedes it. The first line is `tft-double-plan 1`; what follows, most of it optional:
//
//   version 10.16.0.72        the TensorRT that "built" it; * runs on every one
//   compatible                runs on every version of that major one, and on the lean runtime
//   gpu 90 Double 0           the compute capability and name of the GPU that it was built on; without it the
//   plan
//                             runs on every one
//   hardware ampere+          ampere+ or same: it also runs on compute capabilities from 80 on, or the same
//   one onnx 1a2b3c4d             FNV-1a, 32 bits, of the file that it was built from flags strong,tf32 what
//   the builder was asked for seed 7                    varies the model weights 1048576           bytes of
//   device memory for the engine activation 65536          bytes of device memory for each row of a batch
//   noop                      the model computes nothing, for benchmarks
//   samples /path/samples     a bundle's sample windows: the model answers these as PyTorch did, all else by
//                             the formula
//   wrong 0                   the model is wrong in this profile
//   hostcode                  refused unless the runtime allows code for the host
//   plugin TftDouble 1        refused unless there is a creator of that name and version (and namespace,
//   which
//                             may follow)
//   field size int32 4        of the plugin before; int32, float32 or float64, several values separated by
//                             commas
//   input encoder_cont float32 -1,288,14
//   output predictions float32 -1,96,7
//   profile                   begins an optimisation profile
//   range encoder_cont 1,288,14 8,288,14 32,288,14    of one input in it: minimum, optimum, maximum
//   checksum 1a2b3c4d         FNV-1a, 32 bits, of every byte before this line
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

/// What a creator is given to make a plugin of.
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

  /// TensorRT itself only warns where nothing but the GPU's name differs.
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
/// Nothing, and the problem, if the text is not a whole and sound plan.
std::optional<Plan> read_plan(std::string_view text, std::string& problem);

/// A plan with the tensors of the demo model and one profile for each of the maximum batches given.
Plan demo_plan(const std::vector<std::int64_t>& max_batches = {32}, std::uint32_t seed = 7);

std::size_t bytes_of_type(const std::string& type);

}  // namespace doubles

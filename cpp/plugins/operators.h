// The parts of a Temporal Fusion Transformer that have kernels of their own, each as one operator: which
// tensors it takes and gives, which models it fits, and how it is launched. Free of CUDA and TensorRT.
//
// The exporter names these parts in the ONNX file (python/src/tft_export: regions), in the order of inputs
// that is stated at each operator in operators.cpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tft::plugins {

constexpr int kMaxRank = 8;
constexpr int kMaxInputs = 48;

struct Shape {
  int rank = 0;
  std::array<std::int64_t, kMaxRank> dims{};
  std::int64_t operator[](int axis) const { return dims[static_cast<std::size_t>(axis)]; }
};

/// A dimension of an output: `constant`, plus a dimension of an input, plus that of another; inputs of -1 are
/// none.
struct Dimension {
  std::int64_t constant = 0;
  int input = -1, axis = 0;
  int second_input = -1, second_axis = 0;
};

/// Numbers that an operator was made with, by name. They go into the plan.
using Attributes = std::map<std::string, double, std::less<>>;

struct Grid {
  int blocks = 1, rows = 1, threads = 1;
  std::size_t shared_bytes = 0;
};

/// Launches kernels on a device; the emulator of the tests is one, too.
class Launcher {
 public:
  virtual ~Launcher() = default;
  virtual int multiprocessors() const = 0;
  /// The most shared memory that one block may have.
  virtual std::size_t shared_limit() const = 0;
  /// `parameters` is the kernel's one argument. Returns whether it was launched.
  virtual bool launch(const char* kernel, const Grid& grid, void* parameters, void* stream) = 0;
};

class Operator {
 public:
  virtual ~Operator() = default;
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;

  const Attributes& attributes() const { return attributes_; }
  virtual std::string_view name() const = 0;
  virtual int inputs() const = 0;
  virtual int outputs() const = 0;
  /// Input `index` holds int32; all others float32.
  virtual bool is_int(int) const { return false; }
  virtual bool is_int_output(int) const { return false; }
  virtual std::vector<Dimension> output_shape(int output) const = 0;
  /// Why no kernel takes these inputs, with -1 for dimensions that are not known; empty if one does.
  virtual std::string misfit(std::span<const Shape> inputs) const = 0;
  virtual std::size_t workspace_bytes(std::span<const Shape>) const { return 0; }
  virtual bool enqueue(Launcher& launcher, std::span<const Shape> inputs, void const* const* in,
                       void* const* out, void* workspace, void* stream) const = 0;

 protected:
  explicit Operator(Attributes attributes) : attributes_(std::move(attributes)) {}
  int whole(std::string_view name) const;
  float real(std::string_view name) const;

 private:
  Attributes attributes_;
};

/// The names of all operators.
std::span<const std::string_view> operator_names();
/// The names of an operator's attributes, all required.
std::span<const std::string_view> attribute_names(std::string_view name);
/// Null for a name that is none, or where an attribute is missing.
std::unique_ptr<Operator> make_operator(std::string_view name, Attributes attributes);

/// Changes when plans that hold these operators must not be used any more.
constexpr const char* kOperatorsVersion = "1";
constexpr const char* kOperatorsNamespace = "";

}  // namespace tft::plugins

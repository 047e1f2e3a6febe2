// The parts of a Temporal Fusion Transformer that have kernels. Each is an operator, with its inputs and
// outputs, the models that it supports, and how it is computed. This file uses neither CUDA nor TensorRT.
//
// The exporter marks these parts in the ONNX file (python/src/tft_export: regions). operators.cpp states the
// order of each operator's inputs.
#pragma once

#include <algorithm>
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
  int rank = -1;  // -1: not known
  std::array<std::int64_t, kMaxRank> dims{};
  /// -1 for one that is not known, or that there is not.
  std::int64_t operator[](int axis) const {
    return axis >= 0 && axis < std::min(rank, kMaxRank) ? dims[static_cast<std::size_t>(axis)] : -1;
  }
};

/// A dimension of an output: `constant`, plus the dimensions of up to two inputs; an input of -1 adds
/// nothing.
struct Dimension {
  std::int64_t constant = 0;
  int input = -1, axis = 0;
  int second_input = -1, second_axis = 0;
};

/// The dimension's length for these inputs.
std::int64_t length_of(const Dimension& dimension, std::span<const Shape> inputs);

/// An operator's numeric attributes by name. The plan stores them.
using Attributes = std::map<std::string, double, std::less<>>;

struct Grid {
  int blocks = 1, rows = 1, threads = 1;
  std::size_t shared_bytes = 0;
};

/// Launches kernels on a device or, in tests, on the emulator.
class Launcher {
 public:
  virtual ~Launcher() = default;
  virtual int multiprocessors() const = 0;
  /// The maximum shared memory of a block, in bytes.
  virtual std::size_t shared_limit() const = 0;
  /// `parameters` is the kernel's only argument. Returns whether the launch succeeded.
  virtual bool launch(const char* kernel, const Grid& grid, void* parameters, void* stream) = 0;
};

class Kernels;

/// Whose kernels compute an operator. Both support the same inputs but for the hidden size and the heads.
enum class Processor { GPU, CPU };

class Operator {
 public:
  virtual ~Operator() = default;
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;

  /// With the optional ones.
  const Attributes& attributes() const { return attributes_; }
  virtual std::string_view name() const = 0;
  virtual int inputs() const = 0;
  virtual int outputs() const = 0;
  /// A CPU's kernels keep input `index` in an order of their own, so that it must be a constant.
  virtual bool is_kept(int) const { return false; }
  /// Input `index` holds int32; all others float32.
  virtual bool is_int(int) const { return false; }
  virtual bool is_int_output(int) const { return false; }
  virtual std::vector<Dimension> output_shape(int output) const = 0;
  /// Why no kernel supports these inputs; empty if one does. Unknown dimensions are -1.
  virtual std::string misfit(std::span<const Shape> inputs, Processor processor) const = 0;
  virtual std::size_t workspace_bytes(std::span<const Shape>) const { return 0; }
  /// `workspace` may be null for kernels that bring their own.
  virtual bool enqueue(Kernels& kernels, std::span<const Shape> inputs, void const* const* in,
                       void* const* out, void* workspace) const = 0;

 protected:
  explicit Operator(Attributes attributes) : attributes_(std::move(attributes)) {}
  int whole(std::string_view name) const;
  float real(std::string_view name) const;

 private:
  Attributes attributes_;
};

/// The names of all operators.
std::span<const std::string_view> operator_names();
/// The names of an operator's attributes. Those that files of older exporters lack are optional: 0.
std::span<const std::string_view> attribute_names(std::string_view name);
/// Null if the name is unknown or a required attribute is missing.
std::unique_ptr<Operator> make_operator(std::string_view name, Attributes attributes);

/// Changed when existing plans with these operators must no longer be used.
constexpr const char* kOperatorsVersion = "2";
constexpr const char* kOperatorsNamespace = "";

}  // namespace tft::plugins

// The core's interface to TensorRT's builder and ONNX parser, without their headers; see api.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tensorrt/api.h"
#include "tft/builder.h"

namespace tft::tensorrt {

/// One of the parser's errors. Strings are empty and the number is -1 if the parser does not report them.
struct ParserError {
  int node = -1;     // its index among the graph's nodes
  std::string name;  // of the node
  std::string op;
  std::string what;
  std::string code;   // "UNSUPPORTED_NODE"
  std::string place;  // in the parser's source: "onnxOpImporters.cpp:1234"
};

/// The library's parser.
struct ParserLibrary {
  void* create = nullptr;  // createNvOnnxParser_INTERNAL
  int version = 0;         // the result of getNvOnnxParserVersion
};

/// The range of an input's dimensions in an optimisation profile.
struct InputRange {
  std::string input;
  ProfileRange range;
};

/// Receives the builder's progress, on any thread, possibly several at once.
class BuildMonitor {
 public:
  virtual ~BuildMonitor() = default;
  virtual void start(const char* phase, const char* parent, int steps) noexcept = 0;
  /// Returns whether the builder should continue.
  virtual bool step(const char* phase, int step) noexcept = 0;
  virtual void finish(const char* phase) noexcept = 0;
};

/// One build. Call each method once, in this order, on one thread, with the device's context current. The log
/// has the reason of a failure.
class Builder {
 public:
  virtual ~Builder() = default;
  virtual bool load_plugins(const std::string& library) = 0;
  virtual bool make_network(bool strongly_typed) = 0;
  /// Fills the network from a file, or from `content` if that is not empty.
  virtual bool parse(const ParserLibrary& parser, const std::string& onnx, std::string_view content,
                     std::vector<ParserError>& errors) = 0;
  virtual std::vector<TensorInfo> network_tensors() const = 0;
  virtual std::vector<NetworkLayer> network_layers() const = 0;
  virtual bool configure(const BuildOptions& options) = 0;
  /// Whether the builder has accepted the level of hardware compatibility.
  virtual bool has_hardware_compatibility(HardwareCompatibility level) const = 0;
  /// May be called several times.
  virtual bool add_profile(std::span<const InputRange> inputs) = 0;
  /// Uses the timing cache of an earlier build; an empty one if `content` is empty.
  virtual bool use_timing_cache(std::span<const std::byte> content) = 0;
  virtual std::optional<std::vector<std::byte>> build(BuildMonitor& monitor) = 0;
  /// The timing cache with this build's additions; empty if TensorRT returns none.
  virtual std::vector<std::byte> timing_cache() const = 0;
};

/// `create` is the library's createInferBuilder_INTERNAL; otherwise as for create_runtime_10.
std::unique_ptr<Builder> create_builder_10(void* create, std::int32_t version);
std::unique_ptr<Builder> create_builder_11(void* create, std::int32_t version);
std::unique_ptr<Builder> create_builder_rtx(void* create, std::int32_t version);

}  // namespace tft::tensorrt

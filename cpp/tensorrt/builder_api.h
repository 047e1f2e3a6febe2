// What the core uses of TensorRT's builder and ONNX parser, without their headers; see api.h.
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

/// One of the parser's errors. Strings are empty and the number -1 where it does not say.
struct ParserError {
  int node = -1;     // its place among the graph's nodes
  std::string name;  // of the node
  std::string op;
  std::string what;
  std::string code;   // "UNSUPPORTED_NODE"
  std::string place;  // in the parser's own source: "onnxOpImporters.cpp:1234"
};

/// Where the library's parser is.
struct ParserLibrary {
  void* create = nullptr;  // createNvOnnxParser_INTERNAL
  int version = 0;         // what getNvOnnxParserVersion says
};

/// The range of an input's dimensions in an optimisation profile.
struct InputRange {
  std::string input;
  ProfileRange range;
};

/// Told what the builder does, on any thread, at times on several at once.
class BuildMonitor {
 public:
  virtual ~BuildMonitor() = default;
  virtual void start(const char* phase, const char* parent, int steps) noexcept = 0;
  /// Returns whether the builder shall go on.
  virtual bool step(const char* phase, int step) noexcept = 0;
  virtual void finish(const char* phase) noexcept = 0;
};

/// One build. The methods are called once each, in this order, on one thread, with the device's context
/// current; where one fails, why stands in the log.
class Builder {
 public:
  virtual ~Builder() = default;
  virtual bool load_plugins(const std::string& library) = 0;
  virtual bool make_network(bool strongly_typed) = 0;
  /// Fills the network from a file; from `content`, where that is not empty, in place of the file's own.
  virtual bool parse(const ParserLibrary& parser, const std::string& onnx, std::string_view content,
                     std::vector<ParserError>& errors) = 0;
  virtual std::vector<TensorInfo> network_tensors() const = 0;
  virtual std::vector<NetworkLayer> network_layers() const = 0;
  virtual bool configure(const BuildOptions& options) = 0;
  /// Whether the builder has taken the level of hardware compatibility.
  virtual bool has_hardware_compatibility(HardwareCompatibility level) const = 0;
  /// May be called several times.
  virtual bool add_profile(std::span<const InputRange> inputs) = 0;
  /// Takes the times of an earlier build; none if `content` is empty.
  virtual bool use_timing_cache(std::span<const std::byte> content) = 0;
  virtual std::optional<std::vector<std::byte>> build(BuildMonitor& monitor) = 0;
  /// With what this build has added; empty where TensorRT gives none.
  virtual std::vector<std::byte> timing_cache() const = 0;
};

/// `create` is the library's createInferBuilder_INTERNAL; otherwise as for create_runtime_10.
std::unique_ptr<Builder> create_builder_10(void* create, std::int32_t version);
std::unique_ptr<Builder> create_builder_11(void* create, std::int32_t version);
std::unique_ptr<Builder> create_builder_rtx(void* create, std::int32_t version);

}  // namespace tft::tensorrt

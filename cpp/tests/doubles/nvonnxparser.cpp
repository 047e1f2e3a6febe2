// The double of libnvonnxparser: reads a file's tensors, and refuses damaged files and operators whose names
// begin with `TftUnsupported`, as the real parser refuses unknown operators.
#include <NvOnnxParser.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "library.h"
#include "network.h"

namespace doubles {
namespace {

using nvonnxparser::ErrorCode;

struct Problem final : nvonnxparser::IParserError {
  Problem(ErrorCode what, std::string text) : code_(what), text_(std::move(text)) {}
  Problem(ErrorCode what, std::string text, int number, OnnxNode node)
      : code_(what), text_(std::move(text)), number_(number), node_(std::move(node)) {}
  ~Problem() override = default;

  ErrorCode code() const override { return code_; }
  char const* desc() const override { return text_.c_str(); }
  char const* file() const override { return "/double/nvonnxparser.cpp"; }
  int line() const override { return 42; }
  char const* func() const override { return "parse"; }
  int node() const override { return number_; }
  char const* nodeName() const override { return node_.name.c_str(); }
  char const* nodeOperator() const override { return node_.op.c_str(); }
  char const* const* localFunctionStack() const override { return nullptr; }
  std::int32_t localFunctionStackSize() const override { return 0; }

 private:
  ErrorCode code_;
  std::string text_;
  int number_ = -1;
  OnnxNode node_;
};

/// The methods of the interface that the double does not model.
class Unmodelled : public nvonnxparser::IParser {
 public:
  static void called(const char* function) {
    if (const CudaLink* cuda = CudaLink::get())
      cuda->violation((std::string(function) + " is not part of the double").c_str());
  }
#if NV_TENSORRT_MAJOR == 10
  bool supportsModel(void const*, std::size_t, SubGraphCollection_t&, const char*) noexcept override {
    return called("supportsModel"), false;
  }
  bool parseWithWeightDescriptors(void const*, std::size_t) noexcept override {
    return called("parseWithWeightDescriptors"), false;
  }
#endif
  bool supportsOperator(const char*) const noexcept override { return called("supportsOperator"), false; }
  void clearErrors() noexcept override { called("clearErrors"); }
  char const* const* getUsedVCPluginLibraries(std::int64_t&) const noexcept override {
    return called("getUsedVCPluginLibraries"), nullptr;
  }
  void setFlags(nvonnxparser::OnnxParserFlags) noexcept override { called("setFlags"); }
  nvonnxparser::OnnxParserFlags getFlags() const noexcept override { return called("getFlags"), 0; }
  void clearFlag(nvonnxparser::OnnxParserFlag) noexcept override { called("clearFlag"); }
  void setFlag(nvonnxparser::OnnxParserFlag) noexcept override { called("setFlag"); }
  bool getFlag(nvonnxparser::OnnxParserFlag) const noexcept override { return called("getFlag"), false; }
  nvinfer1::ITensor const* getLayerOutputTensor(char const*, std::int64_t) noexcept override {
    return called("getLayerOutputTensor"), nullptr;
  }
  bool supportsModelV2(void const*, std::size_t, char const*) noexcept override {
    return called("supportsModelV2"), false;
  }
  std::int64_t getNbSubgraphs() noexcept override { return called("getNbSubgraphs"), 0; }
  bool isSubgraphSupported(std::int64_t const) noexcept override {
    return called("isSubgraphSupported"), false;
  }
  std::int64_t* getSubgraphNodes(std::int64_t const, std::int64_t&) noexcept override {
    return called("getSubgraphNodes"), nullptr;
  }
  bool loadModelProto(void const*, std::size_t, char const*) noexcept override {
    return called("loadModelProto"), false;
  }
  bool loadInitializer(char const*, void const*, std::size_t) noexcept override {
    return called("loadInitializer"), false;
  }
  bool parseModelProto() noexcept override { return called("parseModelProto"), false; }
  bool setBuilderConfig(const nvinfer1::IBuilderConfig* const) noexcept override {
    return called("setBuilderConfig"), false;
  }
#if NV_TENSORRT_MAJOR != 10
  void setRefitObserver(nvonnxparser::IRefitterObserver*) noexcept override { called("setRefitObserver"); }
#endif
};

class Parser final : public Unmodelled {
 public:
  Parser(const CudaLink& cuda, FillableNetwork& network, ILogger& logger)
      : cuda_(cuda), network_(network), logger_(logger) {
    cuda_.count_created("parser");
    ++network_.parsers;
  }
  ~Parser() noexcept override {
    --network_.parsers;
    cuda_.count_freed("parser");
  }

  bool parseFromFile(char const* path, int) noexcept override {
    cuda_.delay("parse_us");
    if (fails(cuda_, logger_, "parseFromFile")) return false;
    std::ifstream file(path, std::ios::binary);
    return take({std::istreambuf_iterator<char>(file), {}}, path);
  }
  bool parse(void const* model, std::size_t size, const char* path) noexcept override {
    cuda_.delay("parse_us");
    if (fails(cuda_, logger_, "parse")) return false;
    return take({static_cast<const char*>(model), size}, path == nullptr ? "in memory" : path);
  }
  int getNbErrors() const noexcept override { return static_cast<int>(problems_.size()); }
  nvonnxparser::IParserError const* getError(int index) const noexcept override {
    return index >= 0 && index < getNbErrors() ? problems_[static_cast<std::size_t>(index)].get() : nullptr;
  }

 private:
  bool take(const std::string& bytes, const std::string& path) {
    const auto model = read_onnx(bytes);
    if (!model) {
      add({ErrorCode::kMODEL_DESERIALIZE_FAILED, "Failed to parse the ONNX model " + path});
      return false;
    }
    for (std::size_t i = 0; i < model->nodes.size(); ++i) {
      const OnnxNode& node = model->nodes[i];
      if (!node.op.starts_with("Tft")) continue;
      if (network_.add_plugin(node)) {
#ifdef TFT_DOUBLE_RTX
        // The real one (1.7.1) ends the process when it has made the plugin.
        std::fprintf(stderr, "a plugin in a network of TensorRT for RTX\n");
        std::terminate();
#endif
        continue;
      }
      add({ErrorCode::kUNSUPPORTED_NODE,
           "Plugin not found, are the plugin name, version, and namespace correct?", static_cast<int>(i),
           node});
    }
    if (!problems_.empty()) return false;
    std::error_code unknown;
    const auto samples = std::filesystem::absolute(path, unknown).parent_path() / "samples";
    network_.fill(*model, checksum(bytes),
                  std::filesystem::exists(samples / "expected.bin", unknown) ? samples.string() : "");
    return true;
  }
  void add(Problem problem) {
    log_error(logger_, problem.desc());
    problems_.push_back(std::make_unique<Problem>(std::move(problem)));
  }

  const CudaLink& cuda_;
  FillableNetwork& network_;
  ILogger& logger_;
  std::vector<std::unique_ptr<Problem>> problems_;
};

}  // namespace
}  // namespace doubles

using namespace doubles;

extern "C" TENSORRTAPI int getNvOnnxParserVersion() noexcept { return NV_ONNX_PARSER_VERSION; }

extern "C" TENSORRTAPI void* createNvOnnxParser_INTERNAL(void* network, void* logger, int version) noexcept {
  const CudaLink* const cuda = CudaLink::get();
  if (cuda == nullptr) return nullptr;
  if (network == nullptr || version != NV_ONNX_PARSER_VERSION) {
    cuda->violation("createNvOnnxParser_INTERNAL without a network, or for another version");
    return nullptr;
  }
  auto& log = *static_cast<ILogger*>(logger);
  if (fails(*cuda, log, "createNvOnnxParser_INTERNAL")) return nullptr;
  auto* const definition = static_cast<nvinfer1::INetworkDefinition*>(network);
  return static_cast<nvonnxparser::IParser*>(
      new Parser(*cuda, *static_cast<FillableNetwork*>(definition), log));
}

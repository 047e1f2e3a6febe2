// Builds a plan from an ONNX file in steps; the error of a failed step has TensorRT's message.
#include "tft/builder.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "cuda/kernel_module.h"
#include "cuda/objects.h"
#include "engine/no_exceptions.h"
#include "engine/option_checks.h"
#include "graph/fused_graph.h"
#include "plugins/operators.h"
#include "tensorrt/build_progress.h"
#include "tensorrt/builder_api.h"
#include "tensorrt/libraries.h"
#include "tensorrt/log_scope.h"
#include "tensorrt/plan_check.h"
#include "tensorrt/rtx_graph.h"

namespace tft {
namespace {

using tensorrt::LogScope;
using tensorrt::ParserError;
using tensorrt::TensorInfo;

constexpr std::size_t kMaxParserErrors = 5;
constexpr const char* kParsing = "Parsing the ONNX file";

std::optional<Error> check(const BuildOptions& options) {
  if (options.profiles.empty()) return option_error("profiles: the list is empty; at least one is expected");
  for (const BatchRange& batches : options.profiles) {
    if (batches.min >= 1 && batches.min <= batches.opt && batches.opt <= batches.max) continue;
    return option_error("profiles: found min " + std::to_string(batches.min) + ", opt " +
                        std::to_string(batches.opt) + ", max " + std::to_string(batches.max) +
                        "; expected 1 or more, and none above the next");
  }
  if (auto error = in_range("optimizationLevel", options.optimization_level, 0, 5)) return error;
  if (options.workspace_bytes == 0) return option_error("workspaceBytes: found 0, expected at least 1");
  return std::nullopt;
}

std::optional<Error> check_library_options(const BuildOptions& options, const LibraryReport& report) {
  if (auto error = plugins_refused(report, options.plugins)) return error;
  const bool flags = options.fp16 || options.int8;
  if ((report.rtx || report.tensorrt.major >= 11) && (flags || !options.strongly_typed))
    return Error{
        ErrorCode::UNSUPPORTED,
        report.name() +
            " builds strongly typed only: it has no builder flags for FP16 and INT8. Build an ONNX "
            "file that has the precision in it (`python -m tft_export variants BUNDLE` makes them)."};
  if (flags && options.strongly_typed)
    return option_error(
        "fp16 and int8 leave the choice of types to the builder, which a strongly typed build forbids: set "
        "stronglyTyped to false, or build an ONNX file that has the types in it");
  return std::nullopt;
}

std::string describe(const ParserError& error) {
  std::string text;
  if (error.node >= 0 || !error.name.empty()) {
    text = "node " + (error.name.empty() ? "number " + std::to_string(error.node) : "'" + error.name + "'");
    if (!error.op.empty()) text += " (" + error.op + ")";
    text += ": ";
  }
  if (!error.code.empty()) text += error.code + ": ";
  text += error.what;
  if (!error.place.empty()) text += " [" + error.place + "]";
  return text;
}

std::string describe(const std::vector<ParserError>& errors) {
  std::string text;
  for (std::size_t i = 0; i < errors.size() && i < kMaxParserErrors; ++i)
    text += (i == 0 ? "" : "; ") + describe(errors[i]);
  if (errors.size() > kMaxParserErrors)
    text += "; and " + std::to_string(errors.size() - kMaxParserErrors) + " more";
  return text;
}

/// One build: on a device whose context is current or, for named targets, without a device.
class Build {
 public:
  /// `context` is null if no device is used.
  Build(const std::string& onnx, const ModelShape& shape, const BuildOptions& options,
        const cuda::PrimaryContext* context)
      : onnx_(onnx), shape_(shape), options_(options), context_(context), progress_(options) {}

  Result<BuiltPlan> run(const TensorRTLibrary& library, const tensorrt::ParserLibrary& parser) {
    // Each step first checks whether the build was cancelled.
    Result<void> done = step([&] { return open(library); });
    if (done.ok()) done = step([&] { return library.rtx ? rewrite() : fuse(library); });
    if (done.ok()) done = step([&] { return parse(parser); });
    if (done.ok()) done = step([&] { return check_network(); });
    if (done.ok()) done = step([&] { return configure(); });
    if (done.ok()) done = step([&] { return build(); });
    if (done.ok() && options_.stop.stop_requested()) done = aborted();
    if (!done.ok()) return done.error();
    return std::move(built_);
  }

 private:
  static Error aborted() { return {ErrorCode::ABORTED, "the build was cancelled"}; }

  template <class Step>
  Result<void> step(Step what) {
    if (options_.stop.stop_requested()) return aborted();
    return what();
  }

  /// The error for an action that TensorRT refuses.
  Error refusal(const std::string& what, const LogScope& scope) const {
    if (options_.stop.stop_requested()) return aborted();
    if (scope.says_out_of_memory())
      return {ErrorCode::OUT_OF_MEMORY,
              "TensorRT cannot " + what + "; it says: " + scope.errors() +
                  (context_ == nullptr ? "" : " (" + cuda::free_memory(*context_) + ")") +
                  ". Free memory, or give a smaller workspace or maximum batch."};
    return {ErrorCode::BUILD, "TensorRT cannot " + what + "; it says: " + scope.errors()};
  }

  Result<void> open(const TensorRTLibrary& library) {
    const LogScope scope(options_.log);
    builder_ = library.make_builder(library.create_builder, library.version);
    if (builder_ == nullptr) {
      Error error = refusal("make a builder", scope);
      // The builder's kernels, which open_parts did not find beside libnvinfer.
      if (scope.errors().find("Unable to load library") != std::string::npos)
        error.message +=
            ". TensorRT searches it on the loader's path alone: start the process with TensorRT's folder in "
            "LD_LIBRARY_PATH";
      return error;
    }
    for (const std::string& plugin : options_.plugins)
      if (!builder_->load_plugins(plugin)) return refusal("load the plugins of " + plugin, scope);
    if (!builder_->make_network(options_.strongly_typed)) return refusal("make a network", scope);
    return {};
  }

  /// Replaces parts of the graph by operators with kernels. This never fails a build: TensorRT has layers for
  /// all parts.
  Result<void> fuse(const TensorRTLibrary& library) {
    if (!options_.kernels) return {};
    const std::string_view stay = "; TensorRT's layers run this part, which is slower";
    if (const auto obstacle = cuda::kernel_obstacle(context_->driver(), context_->device())) {
      log(LogLevel::WARN, obstacle->message + std::string(stay));
      return {};
    }
    if (!library.has_operators) {
      log(LogLevel::WARN,
          "this TensorRT does not accept the library's kernels as plugins" + std::string(stay));
      return {};
    }
    FusedGraph fused = fuse_graph(file_content(), FusedFor::TENSORRT);
    for (const UnfusedRegion& region : fused.unfused)
      log(LogLevel::WARN, "no kernel for " + region.name + ": " + region.why + std::string(stay));
    content_ = std::move(fused.model);
    built_.fused = std::move(fused.fused);
    return {};
  }

  /// TensorRT for RTX does not support plugins in a network, so it uses none of our kernels.
  Result<void> rewrite() {
    content_ = rewrite_for_rtx(file_content());
    return {};
  }

  std::string file_content() const {
    std::ifstream file(onnx_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  Result<void> parse(const tensorrt::ParserLibrary& parser) {
    const LogScope scope(options_.log, LogScope::Threads::STRAYS_TOO);
    progress_.start(kParsing, nullptr, 1);
    std::vector<ParserError> errors;
    if (!builder_->parse(parser, onnx_, content_, errors)) {
      if (errors.empty()) return refusal("parse " + onnx_, scope);
      return Error{ErrorCode::BUILD, "TensorRT's parser refuses " + onnx_ + ": " + describe(errors)};
    }
    progress_.finish(kParsing);
    // With a GPU on this machine, the inspector reports more.
    if (context_ == nullptr) {
      built_.network = builder_->network_layers();
      for (const TensorInfo& tensor : builder_->network_tensors())
        built_.tensors.push_back({tensor.name, tensor.input, tensor.type, tensor.dims});
    }
    return {};
  }

  Result<void> check_network() {
    const std::vector<TensorInfo> tensors = builder_->network_tensors();
    if (const std::string differences = tensor_differences(shape_, tensors, "the ONNX file");
        !differences.empty())
      return Error{ErrorCode::PLAN_MISMATCH, onnx_ + " is not this model's: " + differences};
    for (const TensorInfo& tensor : tensors) {
      if (!tensor.input || tensor.dims.empty() || tensor.dims.front() == -1) continue;
      for (const BatchRange& batches : options_.profiles)
        if (batches.min != tensor.dims.front() || batches.max != tensor.dims.front())
          return option_error("profiles: " + onnx_ + " has a fixed batch of " +
                              std::to_string(tensor.dims.front()) + " in '" + tensor.name +
                              "', so min, opt and max must be that");
    }
    return {};
  }

  Result<void> configure() {
    const LogScope scope(options_.log);
    if (!builder_->configure(options_)) return refusal("make a configuration", scope);
    if (!builder_->has_hardware_compatibility(options_.hardware_compatibility))
      return Error{ErrorCode::UNSUPPORTED,
                   "TensorRT does not take this level of hardware compatibility; it says: " + scope.errors()};
    for (const BatchRange& batches : options_.profiles) {
      std::vector<tensorrt::InputRange> inputs;
      for (const TensorShape& input : shape_.inputs) {
        const auto dims = [&input](int batch) {
          std::vector<std::int64_t> all = {batch};
          all.insert(all.end(), input.item.begin(), input.item.end());
          return all;
        };
        inputs.push_back({input.name, {dims(batches.min), dims(batches.opt), dims(batches.max)}});
      }
      if (!builder_->add_profile(inputs))
        return refusal(
            "take a profile of batches " + std::to_string(batches.min) + " to " + std::to_string(batches.max),
            scope);
    }
    return use_timing_cache();
  }

  Result<void> use_timing_cache() {
    if (!options_.timing_cache.empty()) {
      // Errors about the timing cache are not errors of the build, and are logged as warnings.
      std::string why;
      const Log quietly = [&why](LogLevel level, const std::string& message) {
        if (level == LogLevel::ERROR || level == LogLevel::WARN) why = message;
      };
      const LogScope scope(quietly);
      if (builder_->use_timing_cache(options_.timing_cache)) return {};
      log(LogLevel::WARN, "the timing cache is ignored, because TensorRT refuses it: " +
                              (why.empty() ? "it does not say why" : why));
    }
    const LogScope scope(options_.log);
    if (!builder_->use_timing_cache({})) return refusal("make a timing cache", scope);
    return {};
  }

  Result<void> build() {
    const LogScope scope(options_.log, LogScope::Threads::STRAYS_TOO);
    auto plan = builder_->build(progress_);
    if (!plan || plan->empty()) return refusal("build a plan of " + onnx_, scope);
    built_.plan = std::move(*plan);
    built_.timing_cache = builder_->timing_cache();
    return {};
  }

  void log(LogLevel level, const std::string& message) const {
    if (options_.log) options_.log(level, message);
  }

  const std::string& onnx_;
  const ModelShape& shape_;
  const BuildOptions& options_;
  const cuda::PrimaryContext* context_;
  BuildProgressReporter progress_;
  std::unique_ptr<tensorrt::Builder> builder_;
  std::string content_;  // the ONNX file with our operators; empty if the file is used unchanged
  BuiltPlan built_;
};

std::optional<Error> check_targets(const std::vector<int>& targets) {
  constexpr std::array kKnown = {75, 80, 86, 89, 120, 121};
  for (const int target : targets) {
    if (std::find(kKnown.begin(), kKnown.end(), target) != kKnown.end()) continue;
    return option_error("targets: found compute capability " + std::to_string(target / 10) + "." +
                        std::to_string(target % 10) +
                        "; TensorRT for RTX builds for 7.5, 8.0, 8.6, 8.9, 12.0 and 12.1");
  }
  return std::nullopt;
}

Result<tensorrt::ParserLibrary> parser_of(LibraryReport& report, const BuildOptions& options) {
  const bool with_lean = options.version_compatible && !options.exclude_lean_runtime;
  open_parts(report, with_lean ? Parts::TO_BUILD_WITH_LEAN_RUNTIME : Parts::TO_BUILD);
  if (const auto parser = open_parser(report)) return *parser;
  return Error{ErrorCode::TENSORRT_NOT_FOUND,
               "TensorRT's ONNX parser is not found: " + report.attempts.back().path + ": " +
                   report.attempts.back().problem + ". It comes with the full TensorRT."};
}

/// Builds for GPUs that this machine need not have: with named targets, TensorRT for RTX does not use CUDA.
Result<BuiltPlan> build_for_targets(const std::string& onnx, const ModelShape& shape,
                                    const BuildOptions& options) {
  if (auto error = check_targets(options.targets)) return *error;
  LoaderOptions wanted = options.libraries;
  wanted.rtx = true;
  Libraries libraries = open_tensorrt_only(wanted);
  if (libraries.report.problem) return *libraries.report.problem;
  if (auto error = check_library_options(options, libraries.report)) return *error;
  const auto parser = parser_of(libraries.report, options);
  if (!parser) return parser.error();
  return Build(onnx, shape, options, nullptr).run(*libraries.tensorrt, *parser);
}

Result<BuiltPlan> open_and_build(const std::string& onnx, const ModelShape& shape,
                                 const BuildOptions& options) {
  if (auto error = check(options)) return *error;
  std::error_code unreadable;
  if (!std::filesystem::is_regular_file(onnx, unreadable))
    return Error{ErrorCode::BUILD, "there is no ONNX file " + onnx};
  if (!options.targets.empty()) return build_for_targets(onnx, shape, options);
  Libraries libraries = open_libraries(options.libraries);
  LibraryReport& report = libraries.report;
  if (report.problem) return *report.problem;
  if (auto error = in_range("device", options.device, 0, static_cast<int>(report.devices.size()) - 1))
    return *error;
  if (report.lean || libraries.tensorrt->create_builder == nullptr)
    return Error{ErrorCode::TENSORRT_NOT_FOUND,
                 "TensorRT's builder is not found: " + report.tensorrt_path +
                     " runs plans only. Install the full TensorRT, or build on a machine that has it."};
  if (auto error = check_library_options(options, report)) return *error;
  const auto parser = parser_of(report, options);
  if (!parser) return parser.error();
  if (options.log && !report.warning.empty()) options.log(LogLevel::WARN, report.warning);

  auto context = cuda::PrimaryContext::retain(libraries.driver, options.device);
  if (!context) return context.error();
  const cuda::CurrentContext current(**context);
  if (current.status() != cuda::kSuccess)
    return failure((*context)->driver(), current.status(), "using GPU " + std::to_string(options.device));
  return Build(onnx, shape, options, context->get()).run(*libraries.tensorrt, *parser);
}

}  // namespace

std::optional<Kernels> kernels() {
  if (cuda::kernel_image().empty()) return std::nullopt;
  return Kernels{plugins::kOperatorsVersion, cuda::kernel_image_hash()};
}

Result<BuiltPlan> build_plan(const std::string& onnx, const ModelShape& shape, const BuildOptions& options) {
  return without_exceptions<BuiltPlan>("building", [&] { return open_and_build(onnx, shape, options); });
}

}  // namespace tft

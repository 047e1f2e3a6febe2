// The measurement: warm-up, timed runs, and a run that times layers.
#include "tft/measure.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <thread>
#include <utility>

#include "engine/no_exceptions.h"
#include "engine/option_checks.h"
#include "tensorrt/device_engine.h"
#include "tensorrt/libraries.h"
#include "tensorrt/measured_stream.h"

namespace tft {
namespace {

using tensorrt::TensorInfo;
using Clock = std::chrono::steady_clock;

constexpr int kMaxStreams = 64;
constexpr int kLayerRuns = 20;

std::size_t bytes_of_type(const std::string& type) {
  if (type == "float32" || type == "int32") return 4;
  if (type == "int64") return 8;
  if (type == "float16" || type == "bfloat16") return 2;
  if (type == "int8" || type == "uint8" || type == "bool") return 1;
  return 0;
}

std::optional<Error> check(const MeasureOptions& options) {
  constexpr int kMax = std::numeric_limits<int>::max();
  if (auto error = in_range("batch", options.batch, 1, kMax)) return error;
  if (auto error = in_range("streams", options.streams, 1, kMaxStreams)) return error;
  if (auto error = in_range("iterations", options.iterations, 0, kMax)) return error;
  if (!(options.warm_up_ms >= 0)) return option_error("warmUpMs: expected 0 or more");
  if (!(options.duration_ms >= 0)) return option_error("durationMs: expected 0 or more");
  return std::nullopt;
}

/// The narrowest profile that includes the batch for every input; OPTION with all ranges if there is none.
Result<int> choose_profile(const tensorrt::Engine& engine, const std::vector<TensorInfo>& tensors,
                           int batch) {
  int best = -1;
  std::int64_t best_width = std::numeric_limits<std::int64_t>::max();
  std::string ranges;
  for (int profile = 0; profile < engine.profiles(); ++profile) {
    std::int64_t least = 1;
    std::int64_t most = std::numeric_limits<std::int64_t>::max();
    for (const TensorInfo& tensor : tensors) {
      if (!tensor.input) continue;
      const auto range = engine.profile_range(tensor.name, profile);
      if (range.min.empty() || range.max.empty()) continue;
      least = std::max(least, range.min.front());
      most = std::min(most, range.max.front());
    }
    ranges += (ranges.empty() ? "" : ", ") + std::to_string(least) + " to " + std::to_string(most);
    if (batch < least || batch > most || most - least >= best_width) continue;
    best = profile;
    best_width = most - least;
  }
  if (best >= 0) return best;
  return option_error("batch: found " + std::to_string(batch) + ", expected one that the plan supports (" +
                      ranges + ")");
}

Result<RunPlan> plan_run(const tensorrt::Engine& engine, int batch) {
  const std::vector<TensorInfo> tensors = engine.tensors();
  const Result<int> profile = choose_profile(engine, tensors, batch);
  if (!profile) return profile.error();
  RunPlan plan;
  plan.profile = *profile;
  for (const TensorInfo& tensor : tensors) {
    RunTensor made{tensor.name, tensor.input, tensor.dims, tensor.type, bytes_of_type(tensor.type)};
    if (!made.dims.empty() && made.dims.front() == -1) made.dims.front() = batch;
    const auto optimum =
        tensor.input ? engine.profile_range(tensor.name, *profile).opt : std::vector<std::int64_t>();
    for (std::size_t i = 1; i < made.dims.size(); ++i) {
      if (made.dims[i] == -1 && i < optimum.size()) made.dims[i] = optimum[i];
      if (made.dims[i] == -1) made.bytes = 0;
      made.bytes *= static_cast<std::size_t>(std::max<std::int64_t>(made.dims[i], 0));
    }
    if (!made.dims.empty()) made.bytes *= static_cast<std::size_t>(made.dims.front());
    if (made.bytes == 0 || !tensor.on_device)
      return Error{ErrorCode::PLAN_MISMATCH,
                   "the plan cannot be measured: the size of '" + tensor.name +
                       "' varies in another dimension than the batch, has an unknown type (" + tensor.type +
                       "), or is required in host memory"};
    plan.tensors.push_back(std::move(made));
  }
  return plan;
}

/// The average times of layers, in order of first occurrence.
class LayerAverages final : public tensorrt::LayerTimes {
 public:
  void add(const char* layer, float milliseconds) noexcept override {
    auto found = std::find_if(layers_.begin(), layers_.end(),
                              [layer](const LayerTime& one) { return one.name == layer; });
    if (found == layers_.end()) found = layers_.insert(layers_.end(), LayerTime{layer, 0, 0});
    found->average_ms += static_cast<double>(milliseconds);  // the sum, until `take`
    ++found->calls;
  }
  std::vector<LayerTime> take(int runs) {
    for (LayerTime& layer : layers_) layer.average_ms /= runs;
    return std::move(layers_);
  }

 private:
  std::vector<LayerTime> layers_;
};

class Measurement {
 public:
  Measurement(const MeasureOptions& options, const DeviceEngine& device)
      : options_(options), device_(device) {}

  Result<Measured> run() {
    auto plan = plan_run(device_.engine(), options_.batch);
    if (!plan) return plan.error();
    plan_ = std::move(plan).value();
    measured_.batch = options_.batch;
    for (int i = 0; i < options_.streams; ++i) {
      if (options_.stop.stop_requested()) return aborted();
      auto stream = MeasuredStream::create(device_.context(), device_.engine(), plan_, options_);
      if (!stream) return stream.error();
      streams_.push_back(std::move(stream).value());
    }
    if (auto warm = warm_up(); !warm) return warm.error();
    if (auto timed = time_runs(); !timed) return timed.error();
    if (options_.layer_profile)
      if (auto timed = time_layers(); !timed) return timed.error();
    if (options_.stop.stop_requested()) return aborted();
    return std::move(measured_);
  }

 private:
  static Error aborted() { return {ErrorCode::ABORTED, "the measurement was cancelled"}; }

  /// Runs every stream on its own thread, until all have finished or one fails.
  Result<void> on_all(
      const std::function<Result<void>(MeasuredStream&, std::size_t, const std::stop_token&)>& work) {
    std::vector<Result<void>> results(streams_.size());
    std::stop_source failed;
    {
      std::vector<std::jthread> threads;
      struct StopOnExit {  // if a thread cannot be started, the running ones must end too
        std::stop_source& source;
        explicit StopOnExit(std::stop_source& stop) : source(stop) {}
        StopOnExit(const StopOnExit&) = delete;
        StopOnExit& operator=(const StopOnExit&) = delete;
        ~StopOnExit() {
          if (std::uncaught_exceptions() > 0) source.request_stop();
        }
      } const guard{failed};
      for (std::size_t i = 0; i < streams_.size(); ++i) {
        threads.emplace_back([&, i] {
          results[i] = without_exceptions<void>(
              "measuring", [&]() -> Result<void> { return work(*streams_[i], i, failed.get_token()); });
          if (!results[i].ok()) failed.request_stop();
        });
      }
    }
    for (Result<void>& result : results)
      if (!result.ok()) return result;
    if (options_.stop.stop_requested()) return aborted();
    return {};
  }

  bool goes_on(const std::stop_token& failed) const {
    return !failed.stop_requested() && !options_.stop.stop_requested();
  }

  static Clock::time_point after(double milliseconds) {
    return Clock::now() + std::chrono::duration_cast<Clock::duration>(
                              std::chrono::duration<double, std::milli>(std::min(milliseconds, 1e9)));
  }

  Result<void> warm_up() {
    const auto end = after(options_.warm_up_ms);
    auto warm = on_all([&](MeasuredStream& stream, std::size_t, const std::stop_token& failed) {
      return stream.run([&](int begun) { return begun == 0 || (goes_on(failed) && Clock::now() < end); },
                        nullptr, nullptr);
    });
    if (!warm.ok() || !options_.cuda_graph) return warm;
    for (const auto& stream : streams_) {
      const Result<void> captured = stream->capture();
      if (!captured.ok() && options_.log)
        options_.log(LogLevel::WARN,
                     "no CUDA graph, runs are enqueued without one: " + captured.error().message);
      measured_.graph = captured.ok();
      if (!captured.ok()) break;
    }
    measured_.graph_nodes = streams_.front()->graph_nodes();
    if (measured_.graph) return {};
    measured_.graph_nodes = 0;
    for (const auto& stream : streams_) stream->forget_graph();
    return {};
  }

  Result<void> time_runs() {
    const cuda::CurrentContext current(*device_.context());
    if (current.status() != cuda::kSuccess)
      return failure(device_.context()->driver(), current.status(), "using the GPU");
    auto zero = cuda::create_event(device_.context(), cuda::kEventDefault);
    if (!zero) return zero.error();
    if (auto marked = streams_.front()->mark(zero->get()); !marked) return marked;
    if (const auto status = device_.context()->driver().event_synchronize(zero->get()))
      return failure(device_.context()->driver(), status, "waiting for an event");

    const int share = (options_.iterations + options_.streams - 1) / options_.streams;
    std::vector<std::vector<Sample>> samples(streams_.size());
    auto timed = on_all([&](MeasuredStream& stream, std::size_t number, const std::stop_token& failed) {
      const auto end =
          after(options_.duration_ms);  // counted from here, however late this thread has started
      return stream.run(
          [&](int begun) { return goes_on(failed) && (begun < std::max(share, 1) || Clock::now() < end); },
          zero->get(), &samples[number]);
    });
    if (!timed.ok()) return timed;
    for (const auto& each : samples)
      measured_.samples.insert(measured_.samples.end(), each.begin(), each.end());
    put_in_order();
    return {};
  }

  /// Sorts the samples by start, and makes the first start 0.
  void put_in_order() {
    std::sort(measured_.samples.begin(), measured_.samples.end(),
              [](const Sample& a, const Sample& b) { return a.start_ms < b.start_ms; });
    if (measured_.samples.empty()) return;
    const double first = measured_.samples.front().start_ms;
    for (Sample& sample : measured_.samples) {
      sample.start_ms -= first;
      sample.end_ms -= first;
      measured_.wall_ms = std::max(measured_.wall_ms, sample.end_ms);
    }
  }

  Result<void> time_layers() {
    LayerAverages averages;
    if (auto timed = streams_.front()->time_layers(kLayerRuns, averages); !timed) return timed;
    measured_.layers = averages.take(kLayerRuns);
    return {};
  }

  const MeasureOptions& options_;
  const DeviceEngine& device_;
  RunPlan plan_;
  std::vector<std::unique_ptr<MeasuredStream>> streams_;
  Measured measured_;
};

Result<Measured> open_and_measure(std::span<const std::byte> plan, const MeasureOptions& options) {
  if (auto error = check(options)) return *error;
  const Libraries libraries = open_libraries(options.libraries);
  if (libraries.report.problem) return *libraries.report.problem;
  if (auto error =
          in_range("device", options.device, 0, static_cast<int>(libraries.report.devices.size()) - 1))
    return *error;
  const auto device = DeviceEngine::load(libraries, options.device, plan,
                                         {options.allow_host_code, options.plugins}, options.log);
  if (!device) return device.error();
  return Measurement(options, **device).run();
}

}  // namespace

Result<Measured> measure(std::span<const std::byte> plan, const MeasureOptions& options) {
  return without_exceptions<Measured>("measuring", [&] { return open_and_measure(plan, options); });
}

}  // namespace tft

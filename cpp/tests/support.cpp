#include "support.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <random>

#include "tft/tensorrt.h"

namespace tft::testing {

std::string cuda_double() { return TFT_DOUBLES_FOLDER "/cuda/libcuda.so.1"; }

std::string tensorrt_double(int major, bool lean) {
  if (major == kRtx) return TFT_DOUBLES_FOLDER "/tensorrt_rtx/lib/libtensorrt_rtx.so.1";
  const std::string number = std::to_string(major);
  return TFT_DOUBLES_FOLDER "/tensorrt" + number +
         (lean ? "-lean/lib/libnvinfer_lean.so." : "/lib/libnvinfer.so.") + number;
}

std::string tensorrt_double() { return tensorrt_double(rounds("TFT_TEST_TENSORRT", 10)); }

std::string plugins_double() { return plugins_double(rounds("TFT_TEST_TENSORRT", 10)); }

std::string plugins_double(int major) {
  const std::string number = std::to_string(major);
  return TFT_DOUBLES_FOLDER "/tensorrt" + number + "/lib/libplugins.so." + number;
}

LoaderOptions doubles_only() {
  LoaderOptions options;
  options.cuda_path = cuda_double();
  options.tensorrt_path = tensorrt_double();
  return options;
}

doubles::Plan small_plan(const std::vector<std::int64_t>& max_batches, std::uint32_t seed) {
  doubles::Plan plan = doubles::demo_plan(max_batches, seed);
  const std::vector<std::vector<std::int64_t>> dims = {
      {-1, 12, 3}, {-1, 12, 2}, {-1, 4, 2}, {-1, 4, 1}, {-1, 4, 3}};
  for (std::size_t i = 0; i < dims.size(); ++i) {
    plan.tensors[i].dims = dims[i];
    for (auto& profile : plan.profiles) {
      const auto range = profile.find(plan.tensors[i].name);
      if (range == profile.end()) continue;
      for (auto& bound : range->second) std::copy(dims[i].begin() + 1, dims[i].end(), bound.begin() + 1);
    }
  }
  plan.activation = 1024;
  return plan;
}

ModelShape shape_of(const doubles::Plan& plan) {
  ModelShape shape;
  for (const doubles::PlanTensor& tensor : plan.tensors) {
    const TensorShape made{tensor.name,
                           tensor.type == "int32" ? ElementType::INT32 : ElementType::FLOAT32,
                           {tensor.dims.begin() + 1, tensor.dims.end()}};
    (tensor.input ? shape.inputs : shape.outputs).push_back(made);
  }
  return shape;
}

std::string bytes_of(const doubles::Plan& plan) { return doubles::write_plan(plan); }

std::span<const std::byte> as_bytes(const std::string& plan) {
  return std::as_bytes(std::span<const char>(plan.data(), plan.size()));
}

namespace {

/// A length-delimited field of a protobuf message.
std::string field(int number, const std::string& value) {
  std::string length;
  std::size_t rest = value.size();
  for (; rest >= 128; rest >>= 7) length += static_cast<char>(rest % 128 + 128);
  return static_cast<char>(number << 3 | 2) + length + static_cast<char>(rest) + value;
}

/// A varint field with a small value.
std::string field(int number, std::int64_t value) {
  std::string bytes(1, static_cast<char>(number << 3));
  for (; value >= 128; value >>= 7) bytes += static_cast<char>(value % 128 + 128);
  return bytes + static_cast<char>(value);
}

}  // namespace

std::string onnx_of(const doubles::Plan& plan, const std::vector<std::string>& operators) {
  std::string graph;
  for (std::size_t i = 0; i < operators.size(); ++i)
    graph += field(1, field(3, "node_" + std::to_string(i)) + field(4, operators[i]));
  for (const doubles::PlanTensor& tensor : plan.tensors) {
    std::string dims;
    for (const std::int64_t dim : tensor.dims)
      dims += field(1, dim == -1 ? field(2, std::string("batch")) : field(1, dim));
    constexpr std::int64_t kFloat = 1;
    constexpr std::int64_t kInt32 = 6;
    const std::string type = field(1, tensor.type == "int32" ? kInt32 : kFloat) + field(2, dims);
    graph += field(tensor.input ? 11 : 12, field(1, tensor.name) + field(2, field(1, type)));
  }
  return field(7, graph);
}

TemporaryFile::TemporaryFile(const std::string& content)
    : path(::testing::TempDir() + "tft-" + std::to_string(getpid()) + "-" +
           std::to_string(reinterpret_cast<std::uintptr_t>(this))) {
  std::ofstream(path, std::ios::binary) << content;
}

TemporaryFile::~TemporaryFile() { std::remove(path.c_str()); }

Series::Series(const doubles::Plan& plan, int series, std::uint32_t seed) : count(series) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> real(-10, 10);
  std::uniform_int_distribution<std::int32_t> code(0, 9);
  const auto rows = static_cast<std::size_t>(count);
  const auto size = [](const doubles::PlanTensor& tensor) {
    std::size_t product = 1;
    for (std::size_t i = 1; i < tensor.dims.size(); ++i) product *= static_cast<std::size_t>(tensor.dims[i]);
    return product;
  };
  std::vector<std::vector<double>> sums(rows);
  std::size_t outputs = 0;
  for (const doubles::PlanTensor& tensor : plan.tensors) {
    if (!tensor.input) {
      ++outputs;
      continue;
    }
    const std::size_t number_of_input = inputs_.size();
    const auto fill = [&](auto& values, auto& distribution) {
      values.resize(rows * size(tensor));
      for (auto& value : values) value = distribution(random);
      for (std::size_t row = 0; row < rows; ++row)
        sums[row].push_back(
            doubles::weighted_sum(&values[row * size(tensor)], size(tensor), number_of_input, plan.seed));
      inputs_.push_back(values.data());
    };
    if (tensor.type == "int32") {
      fill(codes_.emplace_back(), code);
    } else {
      fill(reals_.emplace_back(), real);
    }
  }
  for (const doubles::PlanTensor& tensor : plan.tensors) {
    if (tensor.input) continue;
    std::vector<float>& expected = expected_.emplace_back();
    for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t k = 0; k < size(tensor); ++k)
        expected.push_back(doubles::mix(sums[row].data(), sums[row].size(), k, plan.seed));
  }
  out.assign(expected_.front().size(), -7.0f);
  for (std::size_t i = 1; i < outputs; ++i) further_.emplace_back(expected_[i].size(), -7.0f);
}

Part Series::part() {
  outputs_ = {out.data()};
  for (auto& values : further_) outputs_.push_back(values.data());
  return {inputs_, count, outputs_};
}

std::string Series::difference() const {
  for (std::size_t output = 0; output < expected_.size(); ++output) {
    const std::vector<float>& found = output == 0 ? out : further_[output - 1];
    const std::vector<float>& expected = expected_[output];
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (found[i] == expected[i]) continue;
      const std::size_t each = found.size() / static_cast<std::size_t>(count);
      return "output " + std::to_string(output) + ", series " + std::to_string(i / each) + " of " +
             std::to_string(count) + ", value " + std::to_string(i % each) + ": " + std::to_string(found[i]) +
             ", expected " + std::to_string(expected[i]);
    }
  }
  return "";
}

void Series::spoil_inputs() {
  for (auto& values : reals_) values.assign(values.size(), 1e6f);
  for (auto& values : codes_) values.assign(values.size(), 1000000);
}

void Series::spoil_last() { reals_.back().back() = std::numeric_limits<float>::quiet_NaN(); }

void OverDoubles::expect_clean() {
  EXPECT_EQ(double_violations(), 0) << double_violation_text();
  for (const char* kind :
       {"context", "device memory", "pinned memory", "stream", "event", "graph", "graph exec", "runtime",
        "engine", "execution context", "inspector", "builder", "network", "parser", "builder config",
        "timing cache", "host memory", "runtime config", "runtime cache"}) {
    EXPECT_EQ(double_created(kind), double_freed(kind)) << kind;
  }
}

Result<std::unique_ptr<TFTEngine>> OverDoubles::load(const doubles::Plan& plan, EngineOptions options) {
  options.libraries = doubles_only();
  const std::string bytes = bytes_of(plan);
  return load_tensorrt(as_bytes(bytes), shape_of(plan), options);
}

std::unique_ptr<TFTEngine> OverDoubles::loaded(const doubles::Plan& plan, EngineOptions options) {
  auto result = load(plan, std::move(options));
  if (!result.ok()) {
    ADD_FAILURE() << code_name(result.error().code) << ": " << result.error().message;
    return nullptr;
  }
  return std::move(result).value();
}

void Ending::receive(RequestId, const Result<Timing>& result, void* user) noexcept {
  static std::atomic<int> endings = 0;
  auto* const ending = static_cast<Ending*>(user);
  const std::lock_guard lock(ending->mutex_);
  ++ending->calls_;
  ending->place_ = ++endings;
  ending->result_ = result;
  ending->changed_.notify_all();
}

Result<Timing> Ending::wait() {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, std::chrono::seconds(60), [this] { return calls_ > 0; })) {
    ADD_FAILURE() << "a request never ended";
    return Error{ErrorCode::RUN, "never ended"};
  }
  EXPECT_EQ(calls_, 1) << "a completion is called once";
  return result_;
}

bool Ending::arrived() const {
  const std::lock_guard lock(mutex_);
  return calls_ > 0;
}

Crowd::Crowd(TFTEngine& engine, const doubles::Plan& plan, int requests, int batch) {
  for (int i = 0; i < requests; ++i) {
    Series& asked = series.emplace_back(plan, batch, static_cast<std::uint32_t>(i));
    EXPECT_EQ(code_of(submit(engine, asked, endings.emplace_back())), "");
  }
}

Result<RequestId> submit(TFTEngine& engine, Series& series, Ending& ending,
                         Request::Clock::time_point deadline) {
  const Part part = series.part();
  Request request;
  request.parts = {&part, 1};
  request.deadline = deadline;
  request.completion = Ending::receive;
  request.user = &ending;
  return engine.submit(request);
}

void check_error(const Error& error) {
  // A code outside the enumeration has RUN's name.
  EXPECT_TRUE(error.code == ErrorCode::RUN || code_name(error.code) != code_name(ErrorCode::RUN));
  EXPECT_FALSE(error.message.empty()) << code_name(error.code);
}

int rounds(const char* variable, int otherwise) {
  const char* const text = std::getenv(variable);
  return text != nullptr && *text != '\0' ? std::atoi(text) : otherwise;
}

}  // namespace tft::testing

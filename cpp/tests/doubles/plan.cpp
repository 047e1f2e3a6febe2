#include "plan.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <limits>
#include <sstream>
#include <utility>

namespace doubles {
namespace {

constexpr std::string_view first_line = "tft-double-plan 1\n";
constexpr std::string_view last_word = "checksum ";
constexpr std::size_t max_dims = 8;

std::string join(const std::vector<std::int64_t>& dims) {
  std::string text;
  for (const std::int64_t dim : dims) text += (text.empty() ? "" : ",") + std::to_string(dim);
  return text;
}

bool split(const std::string& text, std::vector<std::int64_t>& dims) {
  std::istringstream stream(text);
  for (std::string item; std::getline(stream, item, ',');) {
    std::int64_t dim = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), dim);
    if (error != std::errc{} || end != item.data() + item.size() || dim < -1) return false;
    dims.push_back(dim);
  }
  return !dims.empty() && dims.size() <= max_dims;
}

bool read_field(std::istringstream& line, PlanPlugin& plugin) {
  PlanField field;
  std::string values;
  if (!(line >> field.name >> field.type >> values)) return false;
  std::istringstream stream(values);
  for (std::string item; std::getline(stream, item, ',');) {
    std::istringstream number(item);
    const bool read = field.type == "int32" ? !!(number >> field.integers.emplace_back())
                      : field.type == "float32"
                          ? !!(number >> field.reals.emplace_back())
                          : field.type == "float64" && number >> field.doubles.emplace_back();
    if (!read) return false;
  }
  plugin.fields.push_back(std::move(field));
  return true;
}

bool read_line(std::istringstream& line, Plan& plan) {
  std::string word;
  line >> word;
  if (word == "version") return static_cast<bool>(line >> plan.version);
  if (word == "compatible") return plan.version_compatible = true;
  if (word == "gpu") return line >> plan.compute && std::getline(line >> std::ws, plan.gpu);
  if (word == "targets") {
    std::vector<std::int64_t> targets;
    std::string text;
    if (!(line >> text) || !split(text, targets)) return false;
    plan.targets.assign(targets.begin(), targets.end());
    return true;
  }
  if (word == "hardware") return static_cast<bool>(line >> plan.hardware);
  if (word == "onnx") return static_cast<bool>(line >> plan.onnx);
  if (word == "flags") return static_cast<bool>(line >> plan.flags);
  if (word == "seed") return static_cast<bool>(line >> plan.seed);
  if (word == "weights") return static_cast<bool>(line >> plan.weights);
  if (word == "activation") return static_cast<bool>(line >> plan.activation);
  if (word == "hostcode") return plan.host_code = true;
  if (word == "noop") return plan.noop = true;
  if (word == "samples") return static_cast<bool>(std::getline(line >> std::ws, plan.samples));
  if (word == "wrong") return static_cast<bool>(line >> plan.wrong);
  if (word == "plugin") {
    PlanPlugin& plugin = plan.plugins.emplace_back();
    if (!(line >> plugin.name >> plugin.version)) return false;
    line >> plugin.plugin_namespace;
    return true;
  }
  if (word == "field") return !plan.plugins.empty() && read_field(line, plan.plugins.back());
  if (word == "profile") return plan.profiles.emplace_back(), true;
  if (word == "input" || word == "output") {
    PlanTensor tensor;
    std::string dims;
    tensor.input = word == "input";
    if (!(line >> tensor.name >> tensor.type >> dims) || !split(dims, tensor.dims)) return false;
    if (bytes_of_type(tensor.type) == 0) return false;
    plan.tensors.push_back(std::move(tensor));
    return true;
  }
  if (word == "range") {
    std::string name;
    std::string dims;
    PlanRange range;
    line >> name;
    for (auto& bound : range) {
      if (!(line >> dims) || !split(dims, bound)) return false;
    }
    if (plan.profiles.empty()) return false;
    plan.profiles.back()[name] = range;
    return true;
  }
  return false;
}

}  // namespace

std::string checksum(std::string_view text) {
  std::uint32_t hash = 2166136261u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  char digits[9];
  std::snprintf(digits, sizeof digits, "%08x", hash);
  return digits;
}

std::string compute_text(int compute) {
  return std::to_string(compute / 10) + "." + std::to_string(compute % 10);
}

bool Plan::runs_on(const std::string& gpu_name, int compute_capability) const {
  if (!targets.empty()) return std::find(targets.begin(), targets.end(), compute_capability) != targets.end();
  if (hardware == "ampere+") return compute_capability >= 80;
  return compute == compute_capability && (hardware == "same" || gpu == gpu_name);
}

std::array<PlanLayer, 2> layers_of(const Plan&) {
  return {PlanLayer{"weighted sums", "Reduce", 0.25f}, PlanLayer{"mix", "MatrixMultiply", 0.5f}};
}

std::size_t bytes_of_type(const std::string& type) {
  if (type == "float32" || type == "int32") return 4;
  if (type == "int64") return 8;
  if (type == "float16") return 2;
  if (type == "int8" || type == "bool") return 1;
  return 0;
}

std::string write_plan(const Plan& plan) {
  std::ostringstream out;
  out << first_line << "version " << plan.version << "\n";
  if (plan.version_compatible) out << "compatible\n";
  if (!plan.gpu.empty()) out << "gpu " << plan.compute << " " << plan.gpu << "\n";
  if (!plan.targets.empty()) out << "targets " << join({plan.targets.begin(), plan.targets.end()}) << "\n";
  if (!plan.hardware.empty()) out << "hardware " << plan.hardware << "\n";
  if (!plan.onnx.empty()) out << "onnx " << plan.onnx << "\n";
  if (!plan.flags.empty()) out << "flags " << plan.flags << "\n";
  out << "seed " << plan.seed << "\nweights " << plan.weights << "\nactivation " << plan.activation << "\n";
  if (plan.host_code) out << "hostcode\n";
  if (plan.noop) out << "noop\n";
  if (!plan.samples.empty()) out << "samples " << plan.samples << "\n";
  if (plan.wrong >= 0) out << "wrong " << plan.wrong << "\n";
  for (const PlanPlugin& plugin : plan.plugins) {
    out << "plugin " << plugin.name << " " << plugin.version;
    if (!plugin.plugin_namespace.empty()) out << " " << plugin.plugin_namespace;
    out << "\n";
    for (const PlanField& field : plugin.fields) {
      out << "field " << field.name << " " << field.type << " ";
      const char* separator = "";
      for (const std::int32_t value : field.integers) out << std::exchange(separator, ",") << value;
      out.precision(std::numeric_limits<double>::max_digits10);
      for (const float value : field.reals) out << std::exchange(separator, ",") << value;
      for (const double value : field.doubles) out << std::exchange(separator, ",") << value;
      out << "\n";
    }
  }
  for (const PlanTensor& tensor : plan.tensors) {
    out << (tensor.input ? "input " : "output ") << tensor.name << " " << tensor.type << " "
        << join(tensor.dims) << "\n";
  }
  for (const auto& profile : plan.profiles) {
    out << "profile\n";
    for (const auto& [name, range] : profile) {
      out << "range " << name << " " << join(range[0]) << " " << join(range[1]) << " " << join(range[2])
          << "\n";
    }
  }
  const std::string text = out.str();
  return text + std::string(last_word) + checksum(text) + "\n";
}

std::optional<Plan> read_plan(std::string_view text, std::string& problem) {
  if (!text.starts_with(first_line)) return problem = "magicTag does not match", std::nullopt;
  const std::size_t end = text.rfind(last_word);
  if (end == std::string_view::npos ||
      text.substr(end + last_word.size()) != checksum(text.substr(0, end)) + "\n") {
    return problem = "the plan is truncated or damaged", std::nullopt;
  }
  Plan plan;
  plan.profiles.clear();
  std::istringstream lines{std::string(text.substr(first_line.size(), end - first_line.size()))};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    if (!read_line(words, plan)) return problem = "cannot read '" + line + "'", std::nullopt;
  }
  return plan;
}

Plan demo_plan(const std::vector<std::int64_t>& max_batches, std::uint32_t seed) {
  Plan plan;
  plan.seed = seed;
  plan.tensors = {{"encoder_cont", true, "float32", {-1, 288, 14}},
                  {"encoder_cat", true, "int32", {-1, 288, 2}},
                  {"decoder_cont", true, "float32", {-1, 96, 4}},
                  {"decoder_cat", true, "int32", {-1, 96, 2}},
                  {"predictions", false, "float32", {-1, 96, 7}}};
  for (const std::int64_t max_batch : max_batches) {
    auto& profile = plan.profiles.emplace_back();
    for (const PlanTensor& tensor : plan.tensors) {
      if (!tensor.input) continue;
      PlanRange range{tensor.dims, tensor.dims, tensor.dims};
      range[0][0] = 1;
      range[1][0] = (max_batch + 1) / 2;
      range[2][0] = max_batch;
      profile[tensor.name] = range;
    }
  }
  return plan;
}

}  // namespace doubles

// PyTorch's outputs for a bundle's sample windows. A plan built next to such samples returns them, so that
// the check of its forecasts passes.
#pragma once
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <unordered_map>
#include <vector>

#include "library.h"
#include "plan.h"

namespace doubles {

class SampleAnswers {
 public:
  static constexpr std::uint64_t start = 14695981039346656037u;

  SampleAnswers() = default;
  /// Empty if the plan names no samples, or if they do not match its tensors.
  explicit SampleAnswers(const Plan& plan) {
    if (plan.samples.empty()) return;
    std::vector<std::uint64_t> hashes;
    std::size_t outputs = 0;
    for (const PlanTensor& tensor : plan.tensors) {
      if (!tensor.input) {
        if (outputs == 0) outputs = volume(tensor.dims, 1);
        continue;
      }
      const std::string content = read(plan.samples + "/" + tensor.name + ".bin");
      const std::size_t bytes = volume(tensor.dims, 1) * bytes_of_type(tensor.type);
      if (content.empty() || content.size() % bytes != 0) return;
      hashes.resize(content.size() / bytes, start);
      for (std::size_t row = 0; row < hashes.size(); ++row)
        hashes[row] = hash_of(content.data() + row * bytes, bytes, hashes[row]);
    }
    const std::string expected = read(plan.samples + "/expected.bin");
    if (expected.size() != hashes.size() * outputs * sizeof(float)) return;
    const auto* const values = reinterpret_cast<const float*>(expected.data());
    for (std::size_t row = 0; row < hashes.size(); ++row)
      answers_[hashes[row]].assign(values + row * outputs, values + (row + 1) * outputs);
  }

  bool empty() const { return answers_.empty(); }
  /// The output for the window whose inputs have this hash; null if there is none.
  const float* find(std::uint64_t hash) const {
    const auto found = answers_.find(hash);
    return found == answers_.end() ? nullptr : found->second.data();
  }
  /// FNV-1a, 64 bits.
  static std::uint64_t hash_of(const char* bytes, std::size_t count, std::uint64_t hash) {
    for (std::size_t i = 0; i < count; ++i)
      hash = (hash ^ static_cast<unsigned char>(bytes[i])) * 1099511628211u;
    return hash;
  }

 private:
  static std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::unordered_map<std::uint64_t, std::vector<float>> answers_;
};

}  // namespace doubles

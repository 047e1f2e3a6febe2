#include "ledger.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

namespace doubles {
namespace {

constexpr std::size_t kept_violations = 100;

const struct {
  const char* setting;
  const char* variable;
  std::int64_t value;
} known_settings[] = {
    {"devices", "TFT_DOUBLE_DEVICES", 1},
    {"memory", "TFT_DOUBLE_MEMORY", std::int64_t{8} << 30},
    {"run_us", "TFT_DOUBLE_RUN_US", 0},
    {"copy_us", "TFT_DOUBLE_COPY_US", 0},
    {"jitter_us", "TFT_DOUBLE_JITTER_US", 0},
    {"seed", "TFT_DOUBLE_SEED", 1},
    {"build_ms", "TFT_DOUBLE_BUILD_MS", 0},
    {"parse_us", "TFT_DOUBLE_PARSE_US", 0},
    {"builder_resource", "TFT_DOUBLE_BUILDER_RESOURCE", 0},
    {"compute", "TFT_DOUBLE_COMPUTE", 90},
    {"cuda_version", "TFT_DOUBLE_CUDA_VERSION", 13000},
};

std::int64_t value_or_zero(const std::map<std::string, std::int64_t>& counts, const std::string& name) {
  if (name == "*") {
    std::int64_t sum = 0;
    for (const auto& [key, value] : counts) sum += value;
    return sum;
  }
  const auto found = counts.find(name);
  return found == counts.end() ? 0 : found->second;
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return result + "\"";
}

void write_counts(std::ostream& out, const char* name, const std::map<std::string, std::int64_t>& counts) {
  out << "  " << quoted(name) << ": {";
  const char* separator = "";
  for (const auto& [key, value] : counts) {
    out << separator << quoted(key) << ": " << value;
    separator = ", ";
  }
  out << "}";
}

}  // namespace

Ledger& Ledger::instance() {
  static Ledger* const ledger = new Ledger;
  return *ledger;
}

Ledger::Ledger() {
  read_environment();
  if (std::getenv("TFT_DOUBLE_REPORT") != nullptr) {
    std::atexit([] {
      if (const char* path = std::getenv("TFT_DOUBLE_REPORT")) Ledger::instance().write(path);
    });
  }
}

void Ledger::read_environment() {
  for (const auto& known : known_settings) {
    const char* text = std::getenv(known.variable);
    settings_[known.setting] = text != nullptr && *text != '\0' ? std::atoll(text) : known.value;
  }
  random_ = static_cast<std::uint64_t>(settings_["seed"]) * 2 + 1;
  faults_.clear();
  std::istringstream list(std::getenv("TFT_DOUBLE_FAIL") != nullptr ? std::getenv("TFT_DOUBLE_FAIL") : "");
  // name:nth:code; the name may contain a colon (run:model:3:700).
  for (std::string item; std::getline(list, item, ',');) {
    const std::size_t last = item.rfind(':');
    const std::size_t middle = last == std::string::npos || last == 0 ? last : item.rfind(':', last - 1);
    if (middle == std::string::npos) {
      std::fprintf(stderr, "TFT_DOUBLE_FAIL: '%s' is not name:nth:code\n", item.c_str());
      continue;
    }
    faults_.push_back(
        {item.substr(0, middle), std::atoll(item.c_str() + middle + 1), std::atoi(item.c_str() + last + 1)});
  }
}

int Ledger::call(const std::string& name) {
  const std::lock_guard lock(mutex_);
  ++calls_[name];
  int code = 0;
  for (auto fault = faults_.begin(); fault != faults_.end();) {
    if (fault->name != name || --fault->remaining > 0) {
      ++fault;
      continue;
    }
    code = fault->code;
    ++faults_fired_;
    fault = faults_.erase(fault);
  }
  return code;
}

void Ledger::fail(const std::string& name, std::int64_t nth, int code) {
  const std::lock_guard lock(mutex_);
  faults_.push_back({name, nth, code});
}

void Ledger::created(const std::string& kind) {
  const std::lock_guard lock(mutex_);
  ++created_[kind];
  freed_.try_emplace(kind, 0);
}

void Ledger::freed(const std::string& kind) {
  const std::lock_guard lock(mutex_);
  ++freed_[kind];
}

void Ledger::violation(const std::string& message) {
  const std::lock_guard lock(mutex_);
  if (violations_.size() < kept_violations) violations_.push_back(message);
  if (std::getenv("TFT_DOUBLE_VERBOSE") != nullptr) std::fprintf(stderr, "violation: %s\n", message.c_str());
}

void Ledger::set(const std::string& name, std::int64_t value) {
  const std::lock_guard lock(mutex_);
  if (!settings_.contains(name)) {
    std::fprintf(stderr, "double_set: no setting '%s'\n", name.c_str());
    std::abort();
  }
  settings_[name] = value;
  if (name == "seed") random_ = static_cast<std::uint64_t>(value) * 2 + 1;
}

void Ledger::reset() {
  const std::lock_guard lock(mutex_);
  calls_.clear();
  created_.clear();
  freed_.clear();
  violations_.clear();
  faults_fired_ = 0;
  read_environment();
}

std::int64_t Ledger::setting(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return value_or_zero(settings_, name);
}

std::int64_t Ledger::calls(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return value_or_zero(calls_, name);
}

std::int64_t Ledger::count_created(const std::string& kind) const {
  const std::lock_guard lock(mutex_);
  return value_or_zero(created_, kind);
}

std::int64_t Ledger::count_freed(const std::string& kind) const {
  const std::lock_guard lock(mutex_);
  return value_or_zero(freed_, kind);
}

std::int64_t Ledger::faults_fired() const {
  const std::lock_guard lock(mutex_);
  return faults_fired_;
}

std::int64_t Ledger::violation_count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::int64_t>(violations_.size());
}

std::string Ledger::violation_text() const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const std::string& line : violations_) text += line + "\n";
  return text;
}

bool Ledger::write(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  std::ofstream out(path);
  out << "{\n";
  write_counts(out, "calls", calls_);
  out << ",\n";
  write_counts(out, "created", created_);
  out << ",\n";
  write_counts(out, "freed", freed_);
  out << ",\n  \"faultsFired\": " << faults_fired_ << ",\n  \"violations\": [";
  const char* separator = "";
  for (const std::string& line : violations_) {
    out << separator << "\n    " << quoted(line);
    separator = ",";
  }
  out << "]\n}\n";
  return out.good();
}

void Ledger::delay(const std::string& name) {
  std::int64_t microseconds = 0;
  {
    const std::lock_guard lock(mutex_);
    microseconds = value_or_zero(settings_, name);
    if (const std::int64_t jitter = value_or_zero(settings_, "jitter_us"); jitter > 0) {
      random_ = random_ * 6364136223846793005u + 1442695040888963407u;  // Knuth's MMIX
      microseconds += static_cast<std::int64_t>(random_ >> 33) % (jitter + 1);
    }
  }
  if (microseconds > 0) std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
}

}  // namespace doubles

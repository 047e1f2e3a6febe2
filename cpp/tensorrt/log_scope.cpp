// Finds the scope that a log line belongs to.
#include "tensorrt/log_scope.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <memory>
#include <vector>

namespace tft::tensorrt {
namespace {

thread_local LogScope* current = nullptr;
constexpr std::size_t kMaxErrorText = 2000;

/// Scopes for lines of threads that have none, the newest last. The mutex is held while such a line is
/// written, so that its scope is not destroyed.
struct Strays {
  std::mutex mutex;
  std::vector<LogScope*> scopes;
};

/// Never destroyed: TensorRT may log while the process exits.
Strays& strays() {
  static Strays* const all = std::make_unique<Strays>().release();
  return *all;
}

}  // namespace

LogScope::LogScope(const Log& log, Threads threads) : log_(log), threads_(threads), outer_(current) {
  current = this;
  if (threads_ == Threads::OWN) return;
  const std::lock_guard lock(strays().mutex);
  strays().scopes.push_back(this);
}

LogScope::~LogScope() {
  current = outer_;
  if (threads_ == Threads::OWN) return;
  const std::lock_guard lock(strays().mutex);
  std::erase(strays().scopes, this);
}

std::string LogScope::errors() const {
  const std::lock_guard lock(mutex_);
  return errors_.empty() ? "nothing" : errors_;
}

std::string LogScope::lower_case_errors() const {
  std::string text = errors();
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool LogScope::says_out_of_memory() const {
  const std::string text = lower_case_errors();
  return text.find("out of memory") != std::string::npos || text.find("outofmemory") != std::string::npos ||
         text.find("memory allocation") != std::string::npos;
}

bool LogScope::says_plugin_missing() const {
  const std::string text = lower_case_errors();
  return text.find("cannot find plugin") != std::string::npos ||
         text.find("could not find plugin") != std::string::npos ||
         text.find("not found in plugin registry") != std::string::npos;
}

void LogScope::add(LogLevel level, const char* text) noexcept {
  const std::lock_guard lock(mutex_);
  if (level == LogLevel::ERROR && errors_.size() < kMaxErrorText) {
    if (!errors_.empty()) errors_ += "; ";
    errors_.append(text, std::min(std::strlen(text), kMaxErrorText));
  }
  if (log_) log_(level, std::string("TensorRT: ") + text);
}

void LogScope::receive(LogLevel level, const char* text) noexcept {
  if (text == nullptr) return;
  if (current != nullptr) return current->add(level, text);
  const std::lock_guard lock(strays().mutex);
  if (!strays().scopes.empty()) strays().scopes.back()->add(level, text);
}

}  // namespace tft::tensorrt

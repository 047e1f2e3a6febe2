// Where TensorRT's log lines go. TensorRT keeps the first logger that it is given for the whole process, so
// the loggers live as long as it does, and the engine at work is found through the thread.
#include <algorithm>
#include <cctype>

#include "tensorrt_api.h"

namespace tft::tensorrt {
namespace {

thread_local LogScope* current = nullptr;
constexpr std::size_t kMostErrorText = 2000;

}  // namespace

LogScope::LogScope(const Log& log) : log_(log), outer_(current) { current = this; }

LogScope::~LogScope() { current = outer_; }

std::string LogScope::errors() const { return errors_.empty() ? "nothing" : errors_; }

bool LogScope::says_memory_lacks() const {
  std::string text = errors_;
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text.find("out of memory") != std::string::npos || text.find("outofmemory") != std::string::npos ||
         text.find("memory allocation") != std::string::npos;
}

void LogScope::receive(LogLevel level, const char* text) noexcept {
  LogScope* const scope = current;
  if (scope == nullptr || text == nullptr) return;
  if (level == LogLevel::ERROR && scope->errors_.size() < kMostErrorText) {
    if (!scope->errors_.empty()) scope->errors_ += "; ";
    scope->errors_.append(text, std::char_traits<char>::length(text) < kMostErrorText
                                    ? std::char_traits<char>::length(text)
                                    : kMostErrorText);
  }
  if (scope->log_) scope->log_(level, std::string("TensorRT: ") + text);
}

}  // namespace tft::tensorrt

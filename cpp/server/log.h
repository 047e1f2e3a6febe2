// The log: one line of JSON for each event on standard output, as the Node service writes it. A thread of its
// own writes, so that a full disk or a stuck reader never delays a request; lines that find no room are
// dropped.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "server/http_error.h"
#include "server/json_text.h"

namespace tft::server {

/// The fields of a line, as the JSON text between its braces.
class Fields {
 public:
  Fields& text(std::string_view key, std::string_view value) { return raw(key, json_quoted(value)); }
  Fields& number(std::string_view key, double value) {
    std::string written;
    append_number(written, value);
    return raw(key, written);
  }
  Fields& raw(std::string_view key, std::string_view json) {
    json_ += ',';
    append_quoted(json_, key);
    json_ += ':';
    json_ += json;
    return *this;
  }
  const std::string& json() const { return json_; }

 private:
  std::string json_;
};

class ServerLog {
 public:
  enum class Level { TRACE, DEBUG, INFO, WARN, ERROR, SILENT };

  explicit ServerLog(std::string_view level);
  ~ServerLog();
  ServerLog(const ServerLog&) = delete;
  ServerLog& operator=(const ServerLog&) = delete;

  /// Any thread.
  void write(Level level, std::string_view message, const Fields& fields = {});
  void info(std::string_view message, const Fields& fields = {}) { write(Level::INFO, message, fields); }
  void warn(std::string_view message, const Fields& fields = {}) { write(Level::WARN, message, fields); }
  void error(std::string_view message, const Fields& fields = {}) { write(Level::ERROR, message, fields); }

  /// A few refusals of each code a second, so that an overload does not overload the log too. One thread.
  void refused(const HttpError& error, Fields fields);

  std::uint64_t dropped() const { return dropped_; }
  /// Waits until all lines are written, at most a second. Returns whether they are.
  bool flush();

 private:
  struct Rate {
    std::int64_t second = 0;
    int lines = 0;
    int withheld = 0;
  };
  void run();

  const Level level_;
  std::map<Code, Rate> rates_;
  std::atomic<std::uint64_t> dropped_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> lines_;
  std::condition_variable written_;
  bool writing_ = false;
  bool stopping_ = false;
  std::thread writer_;
};

}  // namespace tft::server

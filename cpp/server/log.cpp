// Writes the log.
#include "server/log.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <ctime>

namespace tft::server {
namespace {

constexpr std::size_t kMaxLines = 4096;
constexpr int kLinesASecond = 5;
constexpr std::array kNames = {"trace", "debug", "info", "warn", "error", "silent"};

ServerLog::Level level_of(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (name == kNames[i]) return static_cast<ServerLog::Level>(i);
  return ServerLog::Level::INFO;
}

std::string now() {
  using namespace std::chrono;
  const auto time = system_clock::now();
  const std::time_t seconds = system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text;
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S.", &parts);
  const auto milliseconds = duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count() % 1000;
  const std::string digits = std::to_string(1000 + milliseconds);
  return text.data() + digits.substr(1) + "Z";
}

/// Returns false if standard output is closed.
bool write_all(const std::string& line) {
  std::size_t done = 0;
  while (done < line.size()) {
    const ssize_t count = ::write(STDOUT_FILENO, line.data() + done, line.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace

ServerLog::ServerLog(std::string_view level) : level_(level_of(level)), writer_([this] { run(); }) {}

ServerLog::~ServerLog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  writer_.join();
}

void ServerLog::write(Level level, std::string_view message, const Fields& fields) {
  if (level < level_ || level_ == Level::SILENT) return;
  static const std::string PROCESS = std::to_string(getpid());
  std::string line = std::string("{\"level\":\"") + kNames[static_cast<std::size_t>(level)] +
                     "\",\"time\":\"" + now() + "\",\"service\":\"tft-tensorrt\",\"pid\":" + PROCESS +
                     fields.json() + ",\"msg\":";
  append_quoted(line, message);
  line += "}\n";
  const std::lock_guard lock(mutex_);
  if (lines_.size() >= kMaxLines) {
    ++dropped_;
    return;
  }
  lines_.push_back(std::move(line));
  changed_.notify_one();
}

void ServerLog::refused(const HttpError& error, Fields fields) {
  using namespace std::chrono;
  const auto second = duration_cast<seconds>(steady_clock::now().time_since_epoch()).count();
  Rate& rate = rates_[error.code()];
  if (rate.second != second) {
    rate.second = second;
    rate.lines = 0;
  }
  if (++rate.lines > kLinesASecond) {
    ++rate.withheld;
    return;
  }
  fields.number("status", error.status()).text("code", name_of(error.code()));
  if (rate.withheld > 0) fields.number("alsoSince", rate.withheld);
  rate.withheld = 0;
  const Level level = error.code() == Code::HTTP_INTERNAL ? Level::ERROR
                      : error.status() >= 500             ? Level::WARN
                                                          : Level::INFO;
  write(level, error.what(), fields);
}

bool ServerLog::flush() {
  std::unique_lock lock(mutex_);
  return written_.wait_for(lock, std::chrono::seconds(1), [this] { return lines_.empty() && !writing_; });
}

void ServerLog::run() {
  std::unique_lock lock(mutex_);
  bool open = true;
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !lines_.empty(); });
    if (lines_.empty()) return;
    const std::string line = std::move(lines_.front());
    lines_.pop_front();
    writing_ = true;
    lock.unlock();
    if (!open || !write_all(line)) {
      open = false;
      ++dropped_;
    }
    lock.lock();
    writing_ = false;
    written_.notify_all();
  }
}

}  // namespace tft::server

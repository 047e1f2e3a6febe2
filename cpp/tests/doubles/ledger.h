// The ledger of the doubles: calls by name, armed faults, objects created and freed, violations, settings.
#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace doubles {

class Ledger {
 public:
  /// The process's ledger. It is never destroyed: stream threads and exit handlers may still write to it.
  static Ledger& instance();

  /// Counts a call and returns the code of the fault that fires on it, else 0.
  int call(const std::string& name);
  void fail(const std::string& name, std::int64_t nth, int code);
  void created(const std::string& kind);
  void freed(const std::string& kind);
  void violation(const std::string& message);
  void set(const std::string& name, std::int64_t value);
  void reset();

  std::int64_t setting(const std::string& name) const;
  std::int64_t calls(const std::string& name) const;
  std::int64_t count_created(const std::string& kind) const;
  std::int64_t count_freed(const std::string& kind) const;
  std::int64_t faults_fired() const;
  std::int64_t violation_count() const;
  std::string violation_text() const;
  bool write(const std::string& path) const;
  void delay(const std::string& name);

 private:
  struct Fault {
    std::string name;
    std::int64_t remaining;
    int code;
  };

  Ledger();
  void read_environment();

  mutable std::mutex mutex_;
  std::map<std::string, std::int64_t> calls_;
  std::map<std::string, std::int64_t> created_;
  std::map<std::string, std::int64_t> freed_;
  std::map<std::string, std::int64_t> settings_;
  std::vector<std::string> violations_;
  std::vector<Fault> faults_;
  std::int64_t faults_fired_ = 0;
  std::uint64_t random_ = 1;
};

}  // namespace doubles

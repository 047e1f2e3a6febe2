// Limits the memory of requests and responses in progress: a request that would exceed it is refused.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "server/http_error.h"

namespace tft::server {

/// Counts the bytes of all requests in progress: bodies, their parsed form, and responses not yet sent.
class Budget {
 public:
  explicit Budget(std::int64_t limit) : limit_(limit) {}

  std::int64_t limit() const { return limit_; }
  std::int64_t used() const { return used_; }
  /// Whether the next request would be refused.
  bool is_spent() const { return used_ >= limit_; }
  /// `own`: what the calling request uses itself; it may exceed the limit if it is the only one.
  void refuse_when_spent(std::int64_t own = 0) const {
    if (used_ - own < limit_) return;
    throw HttpError(Code::HTTP_OVERLOADED,
                    "other requests use all of the " + std::to_string(limit_) +
                        " bytes already; try again later or raise maxBytesInFlight",
                    0, 1);
  }

 private:
  friend class Holding;
  const std::int64_t limit_;
  std::atomic<std::int64_t> used_ = 0;
};

/// The bytes that one request uses of the budget; released when it goes out of scope.
class Holding {
 public:
  explicit Holding(Budget& budget) : budget_(budget) {}
  ~Holding() { empty(); }
  Holding(const Holding&) = delete;
  Holding& operator=(const Holding&) = delete;

  /// Throws HTTP_OVERLOADED if other requests use all.
  void take(std::int64_t bytes) {
    budget_.refuse_when_spent(bytes_);
    add(bytes);
  }
  /// Counts bytes without a limit: a computed response is not discarded.
  void add(std::int64_t bytes) {
    bytes_ += bytes;
    budget_.used_ += bytes;
  }
  void give(std::int64_t bytes) { add(-bytes); }
  void empty() { add(-bytes_); }

 private:
  Budget& budget_;
  std::int64_t bytes_ = 0;
};

}  // namespace tft::server

// An error response: a code of the project's table, its HTTP status, and a message that says what to do.
//
// The server's code throws these, and a request's coroutine catches them in one place.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "tft/error.h"

namespace tft::server {

enum class Code {
#define TFT_ERROR(name, status) name,
#include "server/error_codes.inc"
#undef TFT_ERROR
};

/// The code's name, and the status that it has by default.
std::string_view name_of(Code code);
int status_of(Code code);

class HttpError : public std::runtime_error {
 public:
  HttpError(Code code, const std::string& message, int status = 0, int retry_after = 0)
      : std::runtime_error(message),
        code_(code),
        status_(status == 0 ? status_of(code) : status),
        retry_after_(retry_after) {}

  Code code() const { return code_; }
  int status() const { return status_; }
  /// Seconds after which the request may be sent again; 0 for none.
  int retry_after() const { return retry_after_; }

 private:
  Code code_;
  int status_;
  int retry_after_;
};

/// The error for a body that cannot be read.
inline HttpError bad_body(const std::string& message) { return {Code::HTTP_BODY, message}; }

/// An engine's error. Bad values are not among them: forecast.cpp names their place.
HttpError from_engine(const Error& error);

/// The status for a client that has left; no client sees it.
inline constexpr int kClientGone = 499;

}  // namespace tft::server

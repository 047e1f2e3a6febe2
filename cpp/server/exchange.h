// What a handler may do with the connection of its request.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <functional>

#include "server/budget.h"
#include "server/bytes.h"

namespace tft::server {

class Exchange {
 public:
  virtual ~Exchange() = default;

  /// Reads the body as it was sent. Throws HTTP_TOO_LARGE beyond `most` bytes, HTTP_TIMEOUT, HTTP_OVERLOADED,
  /// HTTP_HEADER for a body that is not HTTP, HTTP_GONE.
  virtual boost::asio::awaitable<Bytes> read_body(std::size_t most, Holding& holding) = 0;
  /// Calls `gone` once if the client disconnects before `ignore_client` is called. Only after the body was
  /// read.
  virtual void watch_client(std::function<void()> gone) = 0;
  virtual void ignore_client() = 0;
};

}  // namespace tft::server

// Listens on a port or a Unix socket.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "server/settings.h"

namespace tft::server {

class Listener {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;

  virtual ~Listener() = default;
  /// Throws boost::system::system_error, operation_aborted after `close`.
  virtual boost::asio::awaitable<Socket> accept() = 0;
  virtual void close() = 0;
  /// "http://127.0.0.1:8000", or the socket's path.
  virtual std::string address() const = 0;
};

/// Throws SettingError if the address cannot be listened on.
std::unique_ptr<Listener> listen(boost::asio::io_context& io, const Settings& settings);

}  // namespace tft::server

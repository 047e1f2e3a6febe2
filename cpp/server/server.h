// The server's life: it listens, loads its model in the background, reloads it, and stops without losing a
// request.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <unordered_set>

#include "server/connection.h"
#include "server/listener.h"

namespace tft::server {

class Server {
 public:
  /// Throws SettingError for keys that cannot be read.
  Server(const Settings& settings, ServerLog& log);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Listens and serves until a signal stops it. Returns the exit status: 0 if no request was cut off. Throws
  /// SettingError if the address cannot be listened on.
  int run();
  /// Whether a model is being loaded, for which the destructor would wait.
  bool is_loading() const { return host_.is_loading(); }

 private:
  boost::asio::awaitable<void> accept();
  boost::asio::awaitable<void> serve(std::shared_ptr<Connection> connection);
  boost::asio::awaitable<void> keep_time();
  boost::asio::awaitable<void> await_stop();
  boost::asio::awaitable<void> await_hangups();
  boost::asio::awaitable<void> stop();

  const Settings& settings_;
  ServerLog& log_;
  boost::asio::io_context io_{1};  // one thread
  Budget budget_;
  ModelHost host_;
  Metrics metrics_;
  Routes routes_;
  ConnectionParts parts_;
  std::unique_ptr<Listener> listener_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  boost::asio::signal_set stop_signals_;
  boost::asio::signal_set hangups_;
  int status_ = 0;
};

}  // namespace tft::server

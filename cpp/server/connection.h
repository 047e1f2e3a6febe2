// One HTTP/1.1 connection: reads its requests one after another, and writes their answers.
//
// Everything happens on the network thread. The server looks for connections whose time is over; it cancels
// what they wait for, and the connection's coroutine decides what to say.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "server/exchange.h"
#include "server/http.h"
#include "server/log.h"
#include "server/routes.h"

namespace tft::server {

/// What all connections share.
struct ConnectionParts {
  const Settings& settings;
  ServerLog& log;
  Budget& budget;
  Metrics& metrics;
  ModelHost& host;
  Routes& routes;
  std::uint64_t requests = 0;  // for the ids of requests that have none
};

class Connection final : public Exchange, public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;
  using Socket = boost::asio::generic::stream_protocol::socket;

  Connection(Socket socket, ConnectionParts& parts);

  /// Serves until the connection is closed.
  boost::asio::awaitable<void> run();
  /// Cancels what the connection waits for if its time is over.
  void check(Clock::time_point now);
  /// Whether it waits for a request, and not for the server.
  bool is_idle() const { return idle_; }
  /// Breaks the connection.
  void abort();

  boost::asio::awaitable<Bytes> read_body(std::size_t most, Holding& holding) override;
  void watch_client(std::function<void()> gone) override;
  void ignore_client() override;

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::buffer_body>;

  boost::asio::awaitable<bool> await_request();
  boost::asio::awaitable<bool> serve_one();
  boost::asio::awaitable<HttpAnswer> answer(HttpRequest& request, Holding& holding);
  HttpAnswer refusal(const HttpError& error, HttpRequest* request);
  boost::asio::awaitable<bool> refuse_head(boost::system::error_code problem);
  boost::asio::awaitable<void> compress(HttpAnswer& answer, const HttpRequest& request, Holding& holding);
  boost::asio::awaitable<bool> send(HttpAnswer answer, const std::string& id, bool head, unsigned version,
                                    bool keep);
  boost::asio::awaitable<boost::system::error_code> read_counted(Bytes& body, std::size_t length);
  boost::asio::awaitable<boost::system::error_code> read_chunk(Bytes& body);
  bool has_unread_body() const { return !body_read_ && !parser_->is_done(); }
  boost::asio::awaitable<bool> skip_body();
  boost::asio::awaitable<void> part_from_client();
  void read_ahead();
  void allow(std::int64_t milliseconds) {
    deadline_ = Clock::now() + std::chrono::milliseconds(milliseconds);
  }
  void allow_always() { deadline_ = Clock::time_point::max(); }

  Socket socket_;
  ConnectionParts& parts_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;  // of the current request
  Clock::time_point deadline_ = Clock::time_point::max();
  bool late_ = false;  // the deadline has passed
  bool idle_ = true;
  bool first_ = true;       // no request was read yet
  bool body_read_ = false;  // of the current request
  bool broken_ = false;     // what follows on the connection cannot be read
  std::function<void()> gone_;
  boost::asio::cancellation_signal stop_watching_;
  bool watching_ = false;
};

}  // namespace tft::server

// Starts, runs and stops the server.
#include "server/server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdlib>

namespace tft::server {

namespace asio = boost::asio;
using std::chrono::milliseconds;

namespace {

constexpr auto kResult = asio::as_tuple(asio::use_awaitable);
/// How often connections whose time is over are looked for.
constexpr milliseconds kTick{100};
/// After a failed accept, such as for want of file descriptors.
constexpr milliseconds kAcceptPause{100};

asio::awaitable<void> pause(milliseconds time) {
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, time);
  co_await timer.async_wait(kResult);
}

}  // namespace

Server::Server(const Settings& settings, ServerLog& log)
    : settings_(settings),
      log_(log),
      budget_(settings.max_bytes_in_flight),
      host_(io_, settings, log),
      metrics_(host_, budget_, log),
      routes_(settings, host_, budget_, metrics_, [this] { return connections_.size(); }),
      parts_{settings, log, budget_, metrics_, host_, routes_},
      stop_signals_(io_, SIGTERM, SIGINT),
      hangups_(io_, SIGHUP) {}

// The models report their last counters to the metrics, so they are closed before those are gone.
Server::~Server() { host_.close(); }

int Server::run() {
  listener_ = listen(io_, settings_);
  log_.info("listening", Fields().text("address", listener_->address()));
  asio::co_spawn(io_, accept(), asio::detached);
  asio::co_spawn(io_, keep_time(), asio::detached);
  asio::co_spawn(io_, await_stop(), asio::detached);
  asio::co_spawn(io_, await_hangups(), asio::detached);
  host_.load([this](const Result<ModelPointer>& model) {
    if (model.ok()) return;
    status_ = EXIT_FAILURE;
    io_.stop();
  });
  io_.run();
  return status_;
}

asio::awaitable<void> Server::accept() {
  while (true) {
    bool failed = false;
    try {
      Listener::Socket socket = co_await listener_->accept();
      // One beyond the limit is closed.
      if (connections_.size() < static_cast<std::size_t>(settings_.max_connections)) {
        const auto connection = std::make_shared<Connection>(std::move(socket), parts_);
        connections_.insert(connection);
        asio::co_spawn(io_, serve(connection), asio::detached);
      }
    } catch (const boost::system::system_error& error) {
      if (error.code() == asio::error::operation_aborted) co_return;
      failed = true;
    }
    if (failed) co_await pause(kAcceptPause);
  }
}

asio::awaitable<void> Server::serve(std::shared_ptr<Connection> connection) {
  try {
    co_await connection->run();
  } catch (const std::exception& error) {
    log_.error("a connection failed", Fields().text("reason", error.what()));
    connection->abort();
  }
  connections_.erase(connection);
}

asio::awaitable<void> Server::keep_time() {
  while (true) {
    co_await pause(kTick);
    const auto now = Connection::Clock::now();
    for (const auto& connection : connections_) connection->check(now);
  }
}

asio::awaitable<void> Server::await_stop() {
  co_await stop_signals_.async_wait(kResult);
  // A second signal ends the process at once.
  stop_signals_.async_wait([](const auto& problem, int) {
    if (!problem) std::_Exit(EXIT_FAILURE);
  });
  co_await stop();
}

asio::awaitable<void> Server::await_hangups() {
  while (true) {
    const auto [problem, signal] = co_await hangups_.async_wait(kResult);
    if (problem) co_return;
    try {
      routes_.reload_keys();
    } catch (const SettingError& error) {
      log_.error("a part could not be reloaded", Fields().text("reason", error.what()));
    }
    host_.load([](const Result<ModelPointer>&) {});
  }
}

asio::awaitable<void> Server::stop() {
  log_.info("stopping: requests are finished");
  host_.stopping();
  co_await pause(milliseconds(settings_.drain_delay_ms));
  listener_->close();
  const auto end = Connection::Clock::now() + milliseconds(settings_.stop_timeout_ms);
  while (!connections_.empty() && Connection::Clock::now() < end) {
    for (const auto& connection : connections_)
      if (connection->is_idle()) connection->abort();
    co_await pause(milliseconds(1));
  }
  if (!connections_.empty()) {
    log_.warn("not all requests finished within " + std::to_string(settings_.stop_timeout_ms) +
              " ms; the rest is cut off");
    status_ = EXIT_FAILURE;
  }
  log_.info("stopped");
  io_.stop();
}

}  // namespace tft::server

// Opens the listening socket.
#include "server/listener.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace tft::server {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::local::stream_protocol;

namespace {

class PortListener final : public Listener {
 public:
  PortListener(asio::io_context& io, const Settings& settings) : acceptor_(io) {
    const tcp::endpoint endpoint =
        *tcp::resolver(io).resolve(settings.host, std::to_string(settings.port)).begin();
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(tcp::acceptor::reuse_address(true));
    acceptor_.bind(endpoint);
    // The system drops connections that this queue cannot hold, and clients retry only after seconds.
    acceptor_.listen(static_cast<int>(settings.max_connections));
  }
  asio::awaitable<Socket> accept() override {
    tcp::socket socket = co_await acceptor_.async_accept(asio::use_awaitable);
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    co_return Socket(std::move(socket));
  }
  void close() override { acceptor_.close(); }
  std::string address() const override {
    const tcp::endpoint endpoint = acceptor_.local_endpoint();
    const std::string host = endpoint.address().to_string();
    return "http://" + (endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" +
           std::to_string(endpoint.port());
  }

 private:
  tcp::acceptor acceptor_;
};

/// Removes a socket file that a killed process has left.
void clear_socket(asio::io_context& io, const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) return;
  stream_protocol::socket probe(io);
  boost::system::error_code refused;
  probe.connect(stream_protocol::endpoint(path), refused);
  if (!refused) throw SettingError("socket: another process listens on " + path);
  ::unlink(path.c_str());
}

class SocketListener final : public Listener {
 public:
  SocketListener(asio::io_context& io, const Settings& settings) : acceptor_(io), path_(settings.socket) {
    clear_socket(io, path_);
    const auto mode = static_cast<mode_t>(std::stoul(settings.socket_mode, nullptr, 8));
    // Never open to everyone, not even between its creation and chmod.
    const mode_t before = ::umask(0777 & ~mode);
    acceptor_.open();
    boost::system::error_code failed;
    acceptor_.bind(stream_protocol::endpoint(path_), failed);
    ::umask(before);
    if (failed) throw boost::system::system_error(failed);
    ::chmod(path_.c_str(), mode);
    acceptor_.listen(static_cast<int>(settings.max_connections));
  }
  ~SocketListener() override { ::unlink(path_.c_str()); }
  SocketListener(const SocketListener&) = delete;
  SocketListener& operator=(const SocketListener&) = delete;
  asio::awaitable<Socket> accept() override {
    co_return Socket(co_await acceptor_.async_accept(asio::use_awaitable));
  }
  void close() override {
    acceptor_.close();
    ::unlink(path_.c_str());
  }
  std::string address() const override { return path_; }

 private:
  stream_protocol::acceptor acceptor_;
  const std::string path_;
};

}  // namespace

std::unique_ptr<Listener> listen(asio::io_context& io, const Settings& settings) {
  try {
    if (settings.socket.empty()) return std::make_unique<PortListener>(io, settings);
    return std::make_unique<SocketListener>(io, settings);
  } catch (const boost::system::system_error& error) {
    const std::string where = settings.socket.empty()
                                  ? "host and port: " + settings.host + ":" + std::to_string(settings.port)
                                  : "socket: " + settings.socket;
    throw SettingError(where + " cannot be listened on: " + error.code().message());
  }
}

}  // namespace tft::server

// Reads requests and writes answers.
#include "server/connection.h"

#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <cmath>
#include <iterator>

#include "server/encoding.h"

namespace tft::server {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

constexpr auto kResult = asio::as_tuple(asio::use_awaitable);

constexpr unsigned kHttp11 = 11;  // as Beast writes versions
constexpr std::uint32_t kMaxHeaderBytes = 16 * 1024;
constexpr std::size_t kMaxHeaders = 100;
constexpr std::size_t kBufferBytes = 16 * 1024;
constexpr std::size_t kMaxBufferBytes = 128 * 1024;
/// The first memory for a body. A client that announces a large body and sends nothing must not take more.
constexpr std::size_t kFirstBodyBytes = 64 * 1024;
/// Of a body that nobody wants: more is not read, and the connection is closed.
constexpr std::size_t kMaxSkippedBytes = 1024 * 1024;
constexpr std::int64_t kPartingMs = 1000;
/// Smaller responses are not compressed, because that saves nothing.
constexpr std::size_t kMinCompressedBytes = 1024;

bool is_http_error(const boost::system::error_code& problem) {
  return problem.category() == http::make_error_code(http::error::end_of_stream).category();
}

bool is_good_id(std::string_view id) {
  constexpr std::size_t LONGEST = 128;
  if (id.empty() || id.size() > LONGEST) return false;
  for (const char byte : id)
    if (std::isalnum(static_cast<unsigned char>(byte)) == 0 &&
        std::string_view("_.:/+=-").find(byte) == std::string_view::npos)
      return false;
  return true;
}

double milliseconds_since(Connection::Clock::time_point begun) {
  const std::chrono::duration<double, std::milli> took = Connection::Clock::now() - begun;
  return std::round(took.count() * 100) / 100;
}

HttpError not_http() { return {Code::HTTP_HEADER, "the request is not HTTP"}; }

}  // namespace

Connection::Connection(Socket socket, ConnectionParts& parts)
    : socket_(std::move(socket)), parts_(parts), buffer_(kMaxBufferBytes) {
  buffer_.reserve(kBufferBytes);
  allow(parts_.settings.headers_timeout_ms);
}

asio::awaitable<void> Connection::run() {
  const auto self = shared_from_this();
  while (co_await await_request())
    if (!co_await serve_one()) break;
  idle_ = true;  // a stop does not wait for the parting
  co_await part_from_client();
}

void Connection::check(Clock::time_point now) {
  if (now < deadline_) return;
  allow_always();
  late_ = true;
  boost::system::error_code ignored;
  socket_.cancel(ignored);
}

void Connection::abort() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

/// Waits for the first byte of the next request, and reads its headers. Returns false at the end of the
/// connection.
asio::awaitable<bool> Connection::await_request() {
  const Settings& settings = parts_.settings;
  parser_.reset();
  body_read_ = false;
  if (buffer_.size() == 0) {
    idle_ = true;
    if (!first_) allow(settings.keep_alive_timeout_ms);
    const auto [problem, count] = co_await socket_.async_read_some(buffer_.prepare(kBufferBytes), kResult);
    if (problem) co_return false;
    buffer_.commit(count);
  }
  idle_ = false;
  // The first request's time began with the connection.
  if (!first_) allow(std::min(settings.headers_timeout_ms, settings.request_timeout_ms));
  first_ = false;
  parser_.emplace();
  parser_->header_limit(kMaxHeaderBytes);
  parser_->body_limit(boost::none);
  const auto [problem, count] = co_await http::async_read_header(socket_, buffer_, *parser_, kResult);
  allow_always();
  if (problem) co_return co_await refuse_head(problem);
  co_return true;
}

/// Answers a head that is not a request. Returns false: the connection ends.
asio::awaitable<bool> Connection::refuse_head(boost::system::error_code problem) {
  std::optional<HttpError> error;
  if (late_)
    error.emplace(Code::HTTP_TIMEOUT, "the request did not arrive in time");
  else if (problem == http::error::header_limit || problem == http::error::buffer_overflow)
    error.emplace(Code::HTTP_HEADER, "the headers are larger than 16 KiB", 431);
  else if (is_http_error(problem) && problem != http::error::end_of_stream &&
           problem != http::error::partial_message)
    error.emplace(not_http());
  if (error) {
    parts_.metrics.refused(error->code());
    parts_.log.refused(*error, {});
    co_await send(refusal(*error, nullptr), "", false, kHttp11, false);
  }
  co_return false;
}

/// Serves the request whose headers were read. Returns whether the connection can be used further.
asio::awaitable<bool> Connection::serve_one() {
  HttpRequest request;
  request.arrived = Clock::now();
  const auto& head = parser_->get();
  request.method = std::string(head.method_string());
  request.headers = head.base();
  request.route = "none";
  const auto headers = static_cast<std::size_t>(std::distance(head.begin(), head.end()));
  const std::string target(head.target());
  const unsigned version = head.version();
  request.path = target.substr(0, target.find('?'));
  while (request.path.size() > 1 && request.path.ends_with('/')) request.path.pop_back();
  const auto id = request.header("x-request-id");
  request.id = id && is_good_id(*id)
                   ? std::string(*id)
                   : "s" + std::to_string(parts_.host.started()) + "-" + std::to_string(++parts_.requests);

  Holding holding(parts_.budget);
  HttpAnswer answer;
  std::optional<HttpError> refused;
  std::vector<std::pair<std::string, std::string>> more;
  try {
    if (headers > kMaxHeaders) throw HttpError(Code::HTTP_HEADER, "there are more than 100 headers", 431);
    if (version >= kHttp11 && !request.header("host")) throw not_http();
    if (head.method() == http::verb::unknown) {
      broken_ = true;  // as much as what is no HTTP
      throw HttpError(Code::HTTP_METHOD, "the method " + request.method.substr(0, 20) + " is not supported");
    }
    if (!target.starts_with('/')) throw HttpError(Code::HTTP_HEADER, "the path is not a valid URL");
    answer = co_await parts_.routes.answer(request, *this, holding, more);
    holding.add(static_cast<std::int64_t>(answer.body.size()));
    co_await compress(answer, request, holding);
  } catch (const HttpError& error) {
    refused.emplace(error);
  } catch (const std::exception& error) {
    parts_.log.error("a fault of the service",
                     Fields().text("reason", error.what()).text("requestId", request.id));
    refused.emplace(Code::HTTP_INTERNAL, "a fault of the service; its log says more");
  }
  if (refused) {
    holding.empty();
    answer = refusal(*refused, &request);
  }
  for (auto& header : more) answer.headers.push_back(std::move(header));

  const int status = answer.status;
  const bool is_sent = !refused || (refused->code() != Code::HTTP_GONE && refused->code() != Code::ABORTED);
  bool keep =
      is_sent && !broken_ && parser_->keep_alive() && parts_.host.phase() != ModelHost::Phase::STOPPING;
  // The unread rest of a body must not be parsed as the next request.
  if (refused && (refused->status() == 408 || refused->status() == 413)) keep = false;
  if (has_unread_body() && parser_->content_length_remaining().value_or(0) > kMaxSkippedBytes) keep = false;
  if (is_sent)
    keep = co_await send(std::move(answer), request.id, request.method == "HEAD", version, keep) && keep;

  const double took = milliseconds_since(request.arrived);
  // Names that clients invent must not become labels.
  const bool known = head.method() != http::verb::unknown;
  parts_.metrics.answered(request.route, known ? request.method : "other", status, took / 1000);
  if (refused || parts_.settings.access_log) {
    Fields fields;
    fields.text("requestId", request.id)
        .text("method", request.method)
        .text("route", request.route)
        .number("ms", took);
    if (refused) {
      parts_.metrics.refused(refused->code());
      parts_.log.refused(*refused, fields);
    } else {
      parts_.log.info("answered", fields.number("status", status));
    }
  }
  if (keep && has_unread_body()) keep = co_await skip_body();
  co_return keep;
}

HttpAnswer Connection::refusal(const HttpError& error, HttpRequest* request) {
  HttpAnswer answer;
  answer.status = error.status();
  answer.body = "{\"error\":" + json_quoted(error.what()) + ",\"code\":" + json_quoted(name_of(error.code()));
  if (request != nullptr) answer.body += ",\"request_id\":" + json_quoted(request->id);
  answer.body += "}";
  if (error.retry_after() > 0)
    answer.headers.emplace_back("Retry-After", std::to_string(error.retry_after()));
  if (error.status() == 405 && request != nullptr && request->route == "none")
    answer.headers.emplace_back("Allow", "GET, HEAD, POST");
  if (error.status() == 401) answer.headers.emplace_back("WWW-Authenticate", "Bearer");
  return answer;
}

asio::awaitable<Bytes> Connection::read_body(std::size_t most, Holding& holding) {
  Bytes body;
  Parser& parser = *parser_;
  const auto length = parser.content_length();
  if (length && *length > most) throw too_large(most);
  if (parser.is_done()) co_return body;
  allow(parts_.settings.request_timeout_ms);
  const auto expect = parser.get().find(http::field::expect);
  if (expect != parser.get().end() && buffer_.size() == 0) {
    constexpr std::string_view GO_ON = "HTTP/1.1 100 Continue\r\n\r\n";
    co_await asio::async_write(socket_, asio::buffer(GO_ON), kResult);
  }
  const auto grow = [&](std::size_t capacity) {
    holding.take(static_cast<std::int64_t>(capacity));
    holding.give(static_cast<std::int64_t>(body.capacity()));
    body.reserve(capacity);
  };
  grow(std::max<std::size_t>(std::min<std::size_t>(length.value_or(kFirstBodyBytes), kFirstBodyBytes), 1));
  // Until all of it is read, nothing else can be read.
  broken_ = true;
  while (length ? body.size() < *length : !parser.is_done()) {
    if (body.size() == body.capacity()) {
      if (body.size() > most) throw too_large(most);
      grow(std::min(body.capacity() * 2, length ? *length : std::max(most, body.capacity()) + 1));
    }
    // Not in one expression: GCC 12 destroys the coroutine of a conditional operand twice.
    boost::system::error_code problem;
    if (length)
      problem = co_await read_counted(body, *length);
    else
      problem = co_await read_chunk(body);
    if (!problem || problem == http::error::need_buffer) continue;
    if (late_)
      throw HttpError(Code::HTTP_TIMEOUT, "the body had not arrived within " +
                                              std::to_string(parts_.settings.request_timeout_ms) + " ms");
    if (is_http_error(problem) && problem != http::error::partial_message &&
        problem != http::error::end_of_stream)
      throw not_http();
    throw HttpError(Code::HTTP_GONE, "the client disconnected before its request was complete");
  }
  if (body.size() > most) throw too_large(most);
  allow_always();
  broken_ = false;
  body_read_ = true;
  co_return body;
}

/// Reads some of a body of known length: the bytes behind the headers, then from the socket straight into its
/// memory.
asio::awaitable<boost::system::error_code> Connection::read_counted(Bytes& body, std::size_t length) {
  const std::size_t room = std::min(body.capacity(), length) - body.size();
  if (buffer_.size() > 0) {
    const std::size_t count = asio::buffer_copy(asio::buffer(body.end(), room), buffer_.data());
    buffer_.consume(count);
    body.added(count);
    co_return boost::system::error_code();
  }
  const auto [problem, count] = co_await socket_.async_read_some(asio::buffer(body.end(), room), kResult);
  body.added(count);
  co_return problem;
}

/// Reads some of a body that comes in chunks.
asio::awaitable<boost::system::error_code> Connection::read_chunk(Bytes& body) {
  auto& part = parser_->get().body();
  const std::size_t room = body.capacity() - body.size();
  part.data = body.end();
  part.size = room;
  part.more = true;
  const auto [problem, count] = co_await http::async_read_some(socket_, buffer_, *parser_, kResult);
  body.added(room - part.size);
  co_return problem;
}

void Connection::watch_client(std::function<void()> gone) {
  gone_ = std::move(gone);
  read_ahead();
}

void Connection::ignore_client() {
  gone_ = nullptr;
  if (watching_) stop_watching_.emit(asio::cancellation_type::all);
}

/// Waits until the socket is readable: the client has left, or has sent its next request, which is kept.
void Connection::read_ahead() {
  if (watching_ || buffer_.size() >= kBufferBytes) return;
  watching_ = true;
  socket_.async_wait(
      Socket::wait_read,
      asio::bind_cancellation_slot(stop_watching_.slot(), [self = shared_from_this()](auto problem) {
        self->watching_ = false;
        if (problem || !self->gone_) return;
        char byte = 0;
        const ssize_t found = ::recv(self->socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (found < 0 && (errno == EAGAIN || errno == EINTR)) return self->read_ahead();
        if (found <= 0) {
          self->broken_ = true;
          return std::exchange(self->gone_, nullptr)();
        }
        boost::system::error_code failed;
        const std::size_t count = self->socket_.read_some(self->buffer_.prepare(kBufferBytes), failed);
        self->buffer_.commit(count);
        self->read_ahead();
      }));
}

asio::awaitable<void> Connection::compress(HttpAnswer& answer, const HttpRequest& request, Holding& holding) {
  if (!parts_.settings.compress || answer.body.size() < kMinCompressedBytes || request.method != "POST")
    co_return;
  answer.headers.emplace_back("Vary", "accept-encoding");
  const auto encoding = preferred_encoding(request.header("accept-encoding"));
  if (!encoding) co_return;
  const auto before = static_cast<std::int64_t>(answer.body.size());
  answer.body = co_await parts_.routes.packed(std::move(answer.body), *encoding);
  holding.add(static_cast<std::int64_t>(answer.body.size()) - before);
  answer.headers.emplace_back("Content-Encoding", std::string(name_of(*encoding)));
}

/// Returns whether the client has received all of it.
asio::awaitable<bool> Connection::send(HttpAnswer answer, const std::string& id, bool head, unsigned version,
                                       bool keep) {
  http::response<http::string_body> message(static_cast<http::status>(answer.status), version);
  for (auto& [name, value] : answer.headers) message.set(name, value);
  if (!id.empty()) message.set("X-Request-Id", id);
  constexpr int NO_CONTENT = 204;
  if (answer.status != NO_CONTENT) {
    message.set(http::field::content_type, answer.type);
    message.content_length(answer.body.size());
  }
  message.keep_alive(keep);
  if (!keep) message.set(http::field::connection, "close");
  if (!head) message.body() = std::move(answer.body);
  http::response_serializer<http::string_body> serializer(message);
  const std::int64_t patience = parts_.settings.request_timeout_ms + parts_.settings.max_wait_ms;
  late_ = false;
  while (!serializer.is_done()) {
    allow(patience);
    const auto [problem, count] = co_await http::async_write_some(socket_, serializer, kResult);
    if (problem) co_return false;
  }
  allow_always();
  co_return true;
}

/// Discards a body that nobody wants. Returns whether the next request can be read.
asio::awaitable<bool> Connection::skip_body() {
  std::array<char, 4096> discarded;
  std::size_t total = 0;
  allow(parts_.settings.request_timeout_ms);
  while (!parser_->is_done()) {
    auto& part = parser_->get().body();
    part.data = discarded.data();
    part.size = discarded.size();
    part.more = true;
    const auto [problem, count] = co_await http::async_read_some(socket_, buffer_, *parser_, kResult);
    total += count;
    if ((problem && problem != http::error::need_buffer) || total > kMaxSkippedBytes) co_return false;
  }
  allow_always();
  co_return true;
}

/// Closes so that the client can read the last answer: closing with unread data would discard it.
asio::awaitable<void> Connection::part_from_client() {
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  late_ = false;
  allow(kPartingMs);
  std::array<char, 4096> discarded;
  while (!late_ && socket_.is_open()) {
    const auto [problem, count] = co_await socket_.async_read_some(asio::buffer(discarded), kResult);
    if (problem) break;
  }
  abort();
}

}  // namespace tft::server

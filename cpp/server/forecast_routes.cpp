// POST /predict and the protocol's infer: a request is admitted or refused, its body is read, its forecast
// awaited.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>

#include "server/forecast.h"
#include "server/infer_format.h"
#include "server/predict_format.h"
#include "server/routes.h"

namespace tft::server {

namespace asio = boost::asio;

namespace {

/// A number in JSON takes at most 24 bytes: 17 digits, a sign, a point, an exponent, a comma.
constexpr std::size_t kBytesANumber = 24;
constexpr std::size_t kBytesBesides = 64 * 1024;
/// Work on more bytes than this takes longer than the way to another thread and back.
constexpr std::size_t kLargeBody = 128 * 1024;
constexpr std::size_t kLargeAnswer = 16'384;  // numbers

/// Runs `work` on the pool if it is large, so that the network thread serves others meanwhile.
template <class Work>
auto offload(bool large, asio::thread_pool& pool, Work work) -> asio::awaitable<decltype(work())> {
  if (!large) co_return work();
  std::optional<decltype(work())> result;
  const auto run = [&]() -> asio::awaitable<void> {
    result.emplace(work());
    co_return;
  };
  co_await asio::co_spawn(pool, run(), asio::use_awaitable);
  co_return std::move(*result);
}

/// The header X-Request-Timeout-Ms.
std::optional<double> timeout_of(const HttpRequest& request) {
  const auto text = request.header("x-request-timeout-ms");
  if (!text) return std::nullopt;
  std::int64_t value = -1;
  const char* const end = text->data() + text->size();
  const auto [at, problem] = std::from_chars(text->data(), end, value);
  constexpr std::size_t MAX_DIGITS = 9;
  if (problem != std::errc() || at != end || value < 0 || text->size() > MAX_DIGITS)
    throw HttpError(Code::HTTP_HEADER,
                    "X-Request-Timeout-Ms must be a whole number of milliseconds, found '" +
                        std::string(text->substr(0, 40)) + "'");
  return static_cast<double>(value);
}

Wait wait_of(const HttpRequest& request, double within_ms) {
  using namespace std::chrono;
  const duration<double, std::milli> within(within_ms);
  return {within_ms, request.arrived + duration_cast<HttpRequest::Clock::duration>(within)};
}

}  // namespace

std::size_t Routes::max_body(const ServedModel& model) const {
  if (settings_.max_body_bytes > 0) return static_cast<std::size_t>(settings_.max_body_bytes);
  return static_cast<std::size_t>(settings_.max_servers) * model.values_per_series() * kBytesANumber +
         kBytesBesides;
}

template <class Work>
Routes::Answering Routes::forecast_for(Call call, Work work) {
  const ModelPointer model = host_.need();
  try {
    const auto limit = static_cast<double>(settings_.max_wait_ms);
    const double within = std::min(timeout_of(call.request).value_or(limit), limit);
    pressure_.refuse_when_late(*model, within);
    budget_.refuse_when_spent();
    co_return co_await work(*model, within);
  } catch (const HttpError& error) {
    if (error.status() < 500 && error.code() != Code::ABORTED) ++model->invalid;
    if (error.code() == Code::DEVICE_LOST) host_.lost(error.what());
    throw;
  }
}

/// The body, unpacked if it is compressed; empty otherwise, and the body is used as it is.
asio::awaitable<std::string> Routes::unpacked(Call call, Bytes& body, std::size_t most) {
  const auto encoding = encoding_of(call.request.header("content-encoding"));
  if (!encoding) co_return std::string();
  std::string plain =
      co_await offload(true, workers_, [&] { return unpack(body.view(), *encoding, most, call.holding); });
  call.holding.give(static_cast<std::int64_t>(body.capacity()));
  body = Bytes();
  co_return plain;
}

asio::awaitable<std::string> Routes::packed(std::string body, Encoding encoding) {
  co_return co_await offload(true, workers_, [&] { return pack(body, encoding); });
}

Routes::Answering Routes::predict(Call call) {
  return forecast_for(call, [this, call](const ServedModel& model, double within) -> Answering {
    const std::size_t most = max_body(model);
    encoding_of(call.request.header("content-encoding"));  // refused before its body is read
    Bytes body = co_await call.exchange.read_body(most, call.holding);
    const std::string plain = co_await unpacked(call, body, most);
    const std::string_view text = body.capacity() > 0 ? body.view() : std::string_view(plain);
    const auto servers = static_cast<std::size_t>(settings_.max_servers);
    const Inputs inputs = co_await offload(text.size() > kLargeBody, workers_,
                                           [&] { return read_predict(text, model, servers, call.holding); });
    const int series = inputs.series(servers);
    const Outputs outputs =
        co_await forecast(model, inputs, series, wait_of(call.request, within), call.exchange);
    call.holding.empty();
    HttpAnswer answer;
    const std::span<const float> predictions = outputs.front().view();
    answer.body = co_await offload(predictions.size() > kLargeAnswer, workers_,
                                   [&] { return write_predict(model, predictions, series); });
    co_return answer;
  });
}

Routes::Answering Routes::infer(Call call) {
  named(call.request);
  return forecast_for(call, [this, call](const ServedModel& model, double within) -> Answering {
    const std::size_t most = max_body(model);
    const auto header = header_length(call.request.header(kHeaderLength), most);
    encoding_of(call.request.header("content-encoding"));
    Bytes body = co_await call.exchange.read_body(most, call.holding);
    const std::string plain = co_await unpacked(call, body, most);
    const std::string_view text = body.capacity() > 0 ? body.view() : std::string_view(plain);
    const auto servers = static_cast<std::size_t>(settings_.max_servers);
    const std::size_t json_bytes = std::min(header.value_or(text.size()), text.size());
    const InferRequest request = co_await offload(json_bytes > kLargeBody, workers_, [&] {
      return read_infer(text, header, model, servers, call.holding);
    });
    const int series = request.inputs.series(servers);
    within = std::min(within, request.timeout_ms.value_or(within));
    const Outputs outputs =
        co_await forecast(model, request.inputs, series, wait_of(call.request, within), call.exchange);
    call.holding.empty();
    std::vector<std::span<const float>> values;
    for (const OutputValues& output : outputs) values.push_back(output.view());
    std::size_t numbers = 0;
    for (const AskedOutput& asked : request.outputs)
      if (!asked.is_binary) numbers += values[asked.index].size();
    InferAnswer written = co_await offload(numbers > kLargeAnswer, workers_,
                                           [&] { return write_infer(model, request, values, series); });
    HttpAnswer answer;
    answer.body = std::move(written.body);
    if (written.header) {
      answer.type = "application/octet-stream";
      answer.headers = {{"Inference-Header-Content-Length", std::to_string(*written.header)}};
    }
    co_return answer;
  });
}

}  // namespace tft::server

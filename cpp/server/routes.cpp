// Finds routes; those about health, metrics and the model. forecast_routes.cpp has those that forecast.
#include "server/routes.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>

#include "server/infer_format.h"
#include "server/json_text.h"

#ifndef TFT_VERSION
#define TFT_VERSION "0.0.0"
#endif

namespace tft::server {

namespace asio = boost::asio;

namespace {

constexpr const char* kPlatform = "tft_tensorrt";
/// Parsing and compressing are spread over these; two keep small bodies from waiting behind one large one.
constexpr std::size_t kWorkers = 2;

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> segments;
  std::size_t from = 1;
  while (from <= path.size()) {
    const std::size_t end = std::min(path.find('/', from), path.size());
    segments.push_back(path.substr(from, end - from));
    from = end + 1;
  }
  return segments;
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : between).append(word);
  return text;
}

/// The character that %XX encodes.
std::optional<char> decoded(std::string_view digits) {
  int value = 0;
  for (const char digit : digits) {
    const int lower = digit | 0x20;
    if (digit >= '0' && digit <= '9')
      value = value * 16 + (digit - '0');
    else if (lower >= 'a' && lower <= 'f')
      value = value * 16 + (lower - 'a' + 10);
    else
      return std::nullopt;
  }
  return digits.size() == 2 ? std::optional(static_cast<char>(value)) : std::nullopt;
}

std::string decode(std::string_view segment) {
  std::string out;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    if (segment[i] != '%') {
      out += segment[i];
      continue;
    }
    const auto byte = decoded(segment.substr(i + 1, 2));
    if (!byte) throw HttpError(Code::HTTP_HEADER, "the path is not a valid URL");
    out += *byte;
    i += 2;
  }
  return out;
}

bool matches(const char* pattern, const std::vector<std::string_view>& segments,
             std::map<std::string, std::string>& parameters) {
  const std::vector<std::string_view> expected = segments_of(pattern);
  if (expected.size() != segments.size()) return false;
  for (std::size_t i = 0; i < expected.size(); ++i)
    if (!expected[i].starts_with(':') && expected[i] != segments[i]) return false;
  for (std::size_t i = 0; i < expected.size(); ++i)
    if (expected[i].starts_with(':')) parameters[std::string(expected[i].substr(1))] = decode(segments[i]);
  return true;
}

HttpAnswer json(std::string body, int status = 200) {
  HttpAnswer answer;
  answer.status = status;
  answer.body = std::move(body);
  return answer;
}

std::string list_of(const std::vector<TensorShape>& tensors) {
  std::string out = "[";
  for (std::size_t i = 0; i < tensors.size(); ++i)
    out += (i > 0 ? "," : "") + wire_tensor(tensors[i], -1) + "}";
  return out + "]";
}

std::string configuration_of(const std::vector<TensorShape>& tensors) {
  std::string out = "[";
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const TensorShape& tensor = tensors[i];
    out += (i > 0 ? "," : "") + std::string("{\"name\":") + json_quoted(tensor.name) +
           ",\"data_type\":\"TYPE_" + wire_type(tensor.type) + "\",\"dims\":[" +
           std::to_string(tensor.item[0]) + "," + std::to_string(tensor.item[1]) + "]}";
  }
  return out + "]";
}

}  // namespace

Routes::Routes(const Settings& settings, ModelHost& host, Budget& budget, Metrics& metrics,
               std::function<std::size_t()> connections)
    : settings_(settings),
      host_(host),
      budget_(budget),
      metrics_(metrics),
      connections_(std::move(connections)),
      access_(settings),
      origins_(settings),
      pressure_(settings.max_wait_ms),
      workers_(kWorkers) {}

void Routes::reload_keys() { access_ = Access(settings_); }

const std::vector<Routes::Route>& Routes::table() {
  static const std::vector<Route> ROUTES = {
      {"POST", "/predict", Who::USER, &Routes::predict},
      {"POST", "/v2/models/:model/infer", Who::USER, &Routes::infer},
      {"POST", "/v2/models/:model/versions/:version/infer", Who::USER, &Routes::infer},
      {"GET", "/v2/health/live", Who::ANYONE, &Routes::live},
      {"GET", "/healthz", Who::ANYONE, &Routes::live},
      {"GET", "/v2/health/ready", Who::ANYONE, &Routes::ready},
      {"GET", "/readyz", Who::ANYONE, &Routes::ready},
      {"GET", "/metrics", Who::METRICS, &Routes::metrics},
      {"GET", "/v2", Who::USER, &Routes::server},
      {"GET", "/v2/models/:model", Who::USER, &Routes::model},
      {"GET", "/v2/models/:model/versions/:version", Who::USER, &Routes::model},
      {"GET", "/v2/models/:model/ready", Who::USER, &Routes::model_ready},
      {"GET", "/v2/models/:model/versions/:version/ready", Who::USER, &Routes::model_ready},
      {"GET", "/v2/models/:model/config", Who::USER, &Routes::config},
      {"GET", "/v2/models/:model/versions/:version/config", Who::USER, &Routes::config},
      {"GET", "/v2/models/:model/stats", Who::USER, &Routes::statistics},
      {"GET", "/v2/models/:model/versions/:version/stats", Who::USER, &Routes::statistics},
      {"POST", "/v2/repository/index", Who::USER, &Routes::repository},
      {"POST", "/admin/reload", Who::ADMINISTRATOR, &Routes::reload},
      {"POST", "/v2/repository/models/:model/load", Who::ADMINISTRATOR, &Routes::reload},
  };
  return ROUTES;
}

/// Null if there is no such route; `allowed` lists the methods of the path then.
const Routes::Route* Routes::find(HttpRequest& request, std::vector<std::string>& allowed) const {
  const auto segments = segments_of(request.path);
  for (const Route& route : table()) {
    if (!matches(route.pattern, segments, request.parameters)) continue;
    request.route = route.pattern;
    const bool get = std::string_view(route.method) == "GET";
    if (request.method == route.method || (get && request.method == "HEAD")) return &route;
    allowed.emplace_back(route.method);
    if (get) allowed.emplace_back("HEAD");
  }
  return nullptr;
}

void Routes::check_access(Who who, const HttpRequest& request) const {
  if (who == Who::ADMINISTRATOR)
    access_.check_administrator(request);
  else if (who == Who::USER || (who == Who::METRICS && !settings_.open_metrics))
    access_.check_user(request);
}

asio::awaitable<HttpAnswer> Routes::answer(HttpRequest& request, Exchange& exchange, Holding& holding,
                                           std::vector<std::pair<std::string, std::string>>& headers) {
  std::vector<std::string> allowed;
  const Route* const route = find(request, allowed);
  if (origins_.is_cross_origin()) {
    headers.emplace_back("Vary", "origin");
    const auto origin = origins_.allowed(request.header("origin"));
    if (origin) headers.emplace_back("Access-Control-Allow-Origin", *origin);
    if (origin && request.method == "OPTIONS" && request.header("access-control-request-method")) {
      // A preflight request has no key.
      HttpAnswer answer;
      answer.status = 204;
      answer.headers = {{"Access-Control-Allow-Methods", "GET, HEAD, POST"},
                        {"Access-Control-Allow-Headers",
                         "authorization, content-type, content-encoding, inference-header-content-length, "
                         "x-api-key, x-request-id, x-request-timeout-ms"},
                        {"Access-Control-Max-Age", "600"}};
      co_return answer;
    }
  }
  origins_.check(request);
  check_access(route == nullptr ? Who::USER : route->who, request);
  if (route != nullptr) co_return co_await (this->*route->handler)({request, exchange, holding});
  if (allowed.empty())
    throw HttpError(Code::HTTP_NOT_FOUND, "there is nothing at " + request.path.substr(0, 120));
  headers.emplace_back("Allow", joined(allowed, ", "));
  throw HttpError(Code::HTTP_METHOD, request.route + " takes " + joined(allowed, " and ") + ", not " +
                                         request.method.substr(0, 20));
}

const ModelPointer& Routes::named(const HttpRequest& request) const {
  const ModelPointer& model = host_.need();
  const std::string& name = request.parameters.at("model");
  if (name != model->name)
    throw HttpError(Code::HTTP_MODEL,
                    "there is no model '" + name.substr(0, 80) + "'; '" + model->name + "' is served");
  const auto version = request.parameters.find("version");
  if (version != request.parameters.end() && version->second != model->version)
    throw HttpError(Code::HTTP_MODEL, "version '" + version->second.substr(0, 20) + "' of '" + name +
                                          "' is not served; version " + model->version + " is");
  return model;
}

Routes::Answering Routes::live(Call) {
  const bool live = !host_.is_lost();
  co_return json(std::string("{\"live\":") + (live ? "true" : "false") + "}", live ? 200 : 503);
}

Routes::Answering Routes::ready(Call) {
  const auto refused = [](const std::string& reason) {
    return json("{\"ready\":false,\"reason\":" + json_quoted(reason) + "}", 503);
  };
  static constexpr const char* PHASES[] = {"loading", "ready", "failed", "stopping"};
  if (host_.phase() != ModelHost::Phase::READY || host_.current() == nullptr)
    co_return refused(std::string(PHASES[static_cast<int>(host_.phase())]) + ": " + host_.reason());
  if (budget_.is_spent()) co_return refused("maxBytesInFlight is spent");
  if (pressure_.is_full(*host_.current())) co_return refused("the queue is full");
  co_return json("{\"ready\":true}");
}

Routes::Answering Routes::metrics(Call call) {
  Metrics::Exposition exposition = metrics_.exposition(call.request.header("accept"), connections_());
  HttpAnswer answer;
  answer.type = exposition.type;
  answer.body = std::move(exposition.text);
  answer.headers = {{"Vary", "accept"}};
  co_return answer;
}

Routes::Answering Routes::server(Call) {
  co_return json("{\"name\":\"tft-tensorrt\",\"version\":\"" TFT_VERSION
                 "\",\"extensions\":[\"binary_tensor_data\",\"model_configuration\",\"model_repository\","
                 "\"statistics\"]}");
}

Routes::Answering Routes::model(Call call) {
  const ModelPointer model = named(call.request);
  co_return json("{\"name\":" + json_quoted(model->name) + ",\"versions\":[" + json_quoted(model->version) +
                 "],\"platform\":\"" + kPlatform + "\",\"inputs\":" + list_of(model->inputs()) +
                 ",\"outputs\":" + list_of(model->outputs()) + "}");
}

Routes::Answering Routes::model_ready(Call call) {
  const ModelPointer model = named(call.request);
  if (host_.phase() != ModelHost::Phase::READY) throw HttpError(Code::HTTP_NOT_READY, host_.reason(), 0, 5);
  if (pressure_.is_full(*model)) throw HttpError(Code::HTTP_OVERLOADED, "the queue is full", 0, 1);
  co_return json("{\"name\":" + json_quoted(model->name) + ",\"ready\":true}");
}

Routes::Answering Routes::config(Call call) {
  const ModelPointer model = named(call.request);
  co_return json("{\"name\":" + json_quoted(model->name) + ",\"platform\":\"" + kPlatform +
                 "\",\"backend\":" + json_quoted(model->backend) +
                 ",\"max_batch_size\":" + std::to_string(model->engine->info().max_batch) +
                 ",\"input\":" + configuration_of(model->inputs()) +
                 ",\"output\":" + configuration_of(model->outputs()) + ",\"dynamic_batching\":{}}");
}

Routes::Answering Routes::statistics(Call call) {
  const ModelPointer model = named(call.request);
  const Counters counters = model->engine->counters();
  const auto entry = [](const char* name, std::uint64_t count, double microseconds) {
    return std::string("\"") + name + "\":{\"count\":" + std::to_string(count) +
           ",\"ns\":" + std::to_string(static_cast<std::int64_t>(microseconds * 1000)) + "}";
  };
  const auto [in, run, out] = times_of_requests(counters);
  const std::uint64_t good = counters.succeeded;
  co_return json(
      "{\"model_stats\":[{\"name\":" + json_quoted(model->name) +
      ",\"version\":" + json_quoted(model->version) + ",\"last_inference\":0,\"inference_count\":" +
      std::to_string(counters.series) + ",\"execution_count\":" + std::to_string(counters.batches) +
      ",\"inference_stats\":{" + entry("success", good, counters.queue_us + in + run + out) + "," +
      entry("fail", counters.failed + counters.cancelled + counters.expired + counters.refused, 0) + "," +
      entry("queue", good, counters.queue_us) + "," + entry("compute_input", good, in) + "," +
      entry("compute_infer", good, run) + "," + entry("compute_output", good, out) + "," +
      entry("cache_hit", 0, 0) + "," + entry("cache_miss", 0, 0) + "},\"batch_stats\":[]}]}");
}

Routes::Answering Routes::repository(Call) {
  std::string out = "[";
  for (const ServedModel* const model : host_.live()) {
    const bool current = model == host_.current().get();
    out += (out.size() > 1 ? "," : "") + std::string("{\"name\":") + json_quoted(model->name) +
           ",\"version\":" + json_quoted(model->version) + ",\"state\":\"" +
           (current ? "READY" : "UNAVAILABLE") + "\",\"reason\":\"" + (current ? "" : "unloading") + "\"}";
  }
  co_return json(out + "]");
}

Routes::Answering Routes::reload(Call call) {
  if (call.request.parameters.contains("model")) named(call.request);
  if (host_.phase() == ModelHost::Phase::STOPPING) throw HttpError(Code::HTTP_NOT_READY, host_.reason());
  // Shared with the callback, which may outlive a client that has left.
  struct Load {
    asio::steady_timer ended;
    std::optional<Result<ModelPointer>> result;
  };
  const auto executor = co_await asio::this_coro::executor;
  const auto load =
      std::make_shared<Load>(Load{asio::steady_timer(executor, asio::steady_timer::time_point::max()), {}});
  host_.load([load](const Result<ModelPointer>& result) {
    load->result = result;
    load->ended.cancel();
  });
  while (!load->result) co_await load->ended.async_wait(asio::as_tuple(asio::use_awaitable));
  if (!load->result->ok()) throw from_engine(load->result->error());
  const ModelPointer& model = load->result->value();
  co_return json("{\"model\":" + json_quoted(model->name) + ",\"version\":" + json_quoted(model->version) +
                 "}");
}

}  // namespace tft::server

// The paths of the server and what each answers.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <string>
#include <vector>

#include "server/access.h"
#include "server/encoding.h"
#include "server/exchange.h"
#include "server/http.h"
#include "server/metrics.h"
#include "server/model_host.h"
#include "server/origins.h"
#include "server/pressure.h"

namespace tft::server {

class Routes {
 public:
  Routes(const Settings& settings, ModelHost& host, Budget& budget, Metrics& metrics,
         std::function<std::size_t()> connections);

  /// Reads keys again. Throws SettingError.
  void reload_keys();

  /// Finds the request's route, checks access and answers. Throws HttpError; `headers` are those of any
  /// answer.
  boost::asio::awaitable<HttpAnswer> answer(HttpRequest& request, Exchange& exchange, Holding& holding,
                                            std::vector<std::pair<std::string, std::string>>& headers);
  /// A body, compressed on another thread.
  boost::asio::awaitable<std::string> packed(std::string body, Encoding encoding);

 private:
  enum class Who { ANYONE, USER, METRICS, ADMINISTRATOR };
  using Answering = boost::asio::awaitable<HttpAnswer>;
  struct Call {
    HttpRequest& request;
    Exchange& exchange;
    Holding& holding;
  };
  struct Route {
    const char* method;
    const char* pattern;  // ":name" matches any segment
    Who who;
    Answering (Routes::*handler)(Call call);
  };
  static const std::vector<Route>& table();
  const Route* find(HttpRequest& request, std::vector<std::string>& allowed) const;
  void check_access(Who who, const HttpRequest& request) const;

  Answering live(Call call);
  Answering ready(Call call);
  Answering metrics(Call call);
  Answering server(Call call);
  Answering model(Call call);
  Answering model_ready(Call call);
  Answering config(Call call);
  Answering statistics(Call call);
  Answering repository(Call call);
  Answering reload(Call call);
  Answering predict(Call call);
  Answering infer(Call call);

  /// The current model, if it is the one that the path names. Throws HTTP_NOT_READY, HTTP_MODEL.
  const ModelPointer& named(const HttpRequest& request) const;
  /// Admits a request for a forecast, and counts what is refused.
  template <class Work>
  Answering forecast_for(Call call, Work work);
  boost::asio::awaitable<std::string> unpacked(Call call, Bytes& body, std::size_t most);
  std::size_t max_body(const ServedModel& model) const;

  const Settings& settings_;
  ModelHost& host_;
  Budget& budget_;
  Metrics& metrics_;
  const std::function<std::size_t()> connections_;
  Access access_;
  const Origins origins_;
  Pressure pressure_;
  boost::asio::thread_pool workers_;  // for work that takes milliseconds
};

}  // namespace tft::server

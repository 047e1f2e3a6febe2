// A request as handlers see it, and their answer.
#pragma once

#include <boost/beast/http/fields.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tft::server {

struct HttpRequest {
  using Clock = std::chrono::steady_clock;

  std::string method;
  std::string path;   // decoded, without the query and a slash at the end
  std::string route;  // the pattern of the route that was found; "none" if there is none
  std::map<std::string, std::string> parameters;  // of the path
  boost::beast::http::fields headers;
  std::string id;
  Clock::time_point arrived;

  /// The header's value; nothing if there is none.
  std::optional<std::string_view> header(std::string_view name) const {
    const auto found = headers.find(boost::beast::string_view(name.data(), name.size()));
    if (found == headers.end()) return std::nullopt;
    return std::string_view(found->value().data(), found->value().size());
  }
};

struct HttpAnswer {
  int status = 200;
  std::string type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

}  // namespace tft::server

// Decides which web pages may send requests. Any page can make a browser send requests to this machine, under
// another name (DNS rebinding) or with a plain form. Programs are not affected, and can use keys.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "server/http.h"
#include "server/settings.h"

namespace tft::server {

class Origins {
 public:
  explicit Origins(const Settings& settings);

  /// Throws HTTP_HOST.
  void check(const HttpRequest& request) const;
  /// The value of Access-Control-Allow-Origin for the request's page; nothing if it may not read responses.
  std::optional<std::string> allowed(std::optional<std::string_view> origin) const;
  /// Whether pages of other origins are allowed.
  bool is_cross_origin() const { return !origins_.empty(); }

 private:
  bool is_ours(const std::string& name) const;

  const bool checked_;
  std::set<std::string> hosts_;
  std::set<std::string> origins_;
};

}  // namespace tft::server

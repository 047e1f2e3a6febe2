// Access by API keys. Keys are compared by their hashes, so that the time taken reveals nothing about a key.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http.h"
#include "server/settings.h"

namespace tft::server {

class Access {
 public:
  /// Throws SettingError for a file that cannot be read, has no keys or bad ones.
  explicit Access(const Settings& settings);

  /// Throws HTTP_KEY if there are keys and the request has none of them.
  void check_user(const HttpRequest& request) const;
  /// Throws HTTP_KEY, HTTP_FORBIDDEN.
  void check_administrator(const HttpRequest& request) const;

 private:
  using Digest = std::array<unsigned char, 32>;
  static Digest digest(std::string_view key);
  static bool is_among(const std::vector<Digest>& known, std::optional<std::string_view> key);
  static std::vector<Digest> digests(const std::vector<std::string>& keys, const std::string& file,
                                     const char* setting);

  std::vector<Digest> users_;
  std::vector<Digest> administrators_;
};

}  // namespace tft::server

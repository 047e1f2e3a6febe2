// Checks the headers Host and Origin.
#include "server/origins.h"

#include <algorithm>
#include <cctype>

#include "server/http_error.h"

namespace tft::server {
namespace {

constexpr const char* kAny = "*";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& byte : out) byte = static_cast<char>(std::tolower(static_cast<unsigned char>(byte)));
  return out;
}

/// Without the port, and an IPv6 address without its brackets.
std::string name_of_authority(std::string_view authority) {
  const std::string text = lower(authority);
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end != std::string::npos) return text.substr(1, end - 1);
    return text;
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) return text;
  const bool is_port = text.find_first_not_of("0123456789", colon + 1) == std::string::npos;
  return is_port ? text.substr(0, colon) : text;
}

bool has(const std::vector<std::string>& list, const char* item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

}  // namespace

// If keys are needed, a page has none; it cannot reach a Unix socket.
Origins::Origins(const Settings& settings)
    : checked_(!settings.has_keys() && settings.socket.empty() && is_loopback(settings.host) &&
               !has(settings.allowed_hosts, kAny)),
      origins_(settings.cors_origins.begin(), settings.cors_origins.end()) {
  for (const std::string& host : settings.allowed_hosts) hosts_.insert(lower(host));
}

void Origins::check(const HttpRequest& request) const {
  if (!checked_) return;
  const auto host = request.header("host");
  if (host && !is_ours(name_of_authority(*host)))
    throw HttpError(Code::HTTP_HOST, "'" + std::string(host->substr(0, 80)) +
                                         "' is not a name of this machine; list it in allowedHosts if it is");
  const auto origin = request.header("origin");
  if (!origin || allowed(origin)) return;
  std::string_view authority = *origin;
  for (const std::string_view scheme : {"http://", "https://"})
    if (authority.starts_with(scheme)) {
      authority.remove_prefix(scheme.size());
      break;
    }
  if (!is_ours(name_of_authority(authority)))
    throw HttpError(Code::HTTP_HOST,
                    "pages of '" + std::string(origin->substr(0, 80)) +
                        "' may not send requests here; list it in corsOrigins to allow them");
}

std::optional<std::string> Origins::allowed(std::optional<std::string_view> origin) const {
  if (!origin) return std::nullopt;
  if (origins_.contains(kAny)) return kAny;
  if (origins_.contains(std::string(*origin))) return std::string(*origin);
  return std::nullopt;
}

bool Origins::is_ours(const std::string& name) const {
  return is_loopback(name) || name.ends_with(".localhost") || hosts_.contains(name);
}

}  // namespace tft::server

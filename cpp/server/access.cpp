// Reads and compares API keys.
#include "server/access.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "server/http_error.h"

namespace tft::server {
namespace {

std::optional<std::string_view> key_of(const HttpRequest& request) {
  if (const auto key = request.header("x-api-key")) return key;
  const auto authorization = request.header("authorization");
  constexpr std::string_view BEARER = "bearer ";
  if (!authorization || authorization->size() <= BEARER.size()) return std::nullopt;
  for (std::size_t i = 0; i < BEARER.size(); ++i)
    if (std::tolower(static_cast<unsigned char>((*authorization)[i])) != BEARER[i]) return std::nullopt;
  return authorization->substr(BEARER.size());
}

HttpError key_missing(std::optional<std::string_view> key) {
  return {Code::HTTP_KEY,
          key ? "the API key is not known here" : "an API key is needed, in the header X-API-Key"};
}

std::vector<std::string> keys_in(const std::string& path, const char* setting) {
  std::ifstream file(path);
  if (!file)
    throw SettingError(std::string(setting) + ": " + path + " cannot be read: " + std::strerror(errno));
  std::vector<std::string> keys;
  std::string line;
  while (std::getline(file, line)) {
    const std::size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string::npos || line[begin] == '#') continue;
    keys.push_back(line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1));
    if (!is_good_key(keys.back()))
      throw SettingError(std::string(setting) + ": key " + std::to_string(keys.size()) + " in " + path +
                         " must have 16 to 256 characters, without spaces");
  }
  if (keys.empty())
    throw SettingError(std::string(setting) + ": " + path + " has no keys; one a line is expected");
  return keys;
}

}  // namespace

Access::Access(const Settings& settings)
    : users_(digests(settings.api_keys, settings.api_keys_file, "apiKeysFile")),
      administrators_(digests(settings.admin_keys, settings.admin_keys_file, "adminKeysFile")) {}

void Access::check_user(const HttpRequest& request) const {
  if (users_.empty()) return;
  const auto key = key_of(request);
  if (!is_among(users_, key) && !is_among(administrators_, key)) throw key_missing(key);
}

void Access::check_administrator(const HttpRequest& request) const {
  if (administrators_.empty())
    throw HttpError(Code::HTTP_FORBIDDEN,
                    "this needs an administrator key, but the service has none; set adminKeysFile");
  const auto key = key_of(request);
  if (is_among(administrators_, key)) return;
  if (!is_among(users_, key)) throw key_missing(key);
  throw HttpError(Code::HTTP_FORBIDDEN, "this key does not permit that; an administrator key does");
}

Access::Digest Access::digest(std::string_view key) {
  Digest digest;
  EVP_Digest(key.data(), key.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  return digest;
}

/// Compares with all keys, even after a match, so that the time is always the same.
bool Access::is_among(const std::vector<Digest>& known, std::optional<std::string_view> key) {
  if (!key) return false;
  const Digest given = digest(*key);
  bool among = false;
  for (const Digest& one : known)
    among = (CRYPTO_memcmp(one.data(), given.data(), given.size()) == 0) || among;
  return among;
}

std::vector<Access::Digest> Access::digests(const std::vector<std::string>& keys, const std::string& file,
                                            const char* setting) {
  std::vector<Digest> all;
  for (const std::string& key : keys) all.push_back(digest(key));
  if (!file.empty())
    for (const std::string& key : keys_in(file, setting)) all.push_back(digest(key));
  return all;
}

}  // namespace tft::server

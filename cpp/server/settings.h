// The server's settings: those of `tft serve` that it has, under the same names, and its own.
//
// A flag (--max-wait-ms) overrides an environment variable (TFT_SERVE_MAX_WAIT_MS).
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace tft::server {

struct Settings {
  std::string model;
  std::string name;
  std::int64_t max_batch = 0;  // 0: the runtime's own
  std::int64_t threads = 0;    // 0: as many as there are processors, up to 8

  std::string engine;
  std::string tensorrt;
  std::string cuda;
  std::vector<std::string> devices;
  std::vector<std::string> plugins;
  std::int64_t lanes = 2;
  std::string onnxruntime;
  bool kernels = true;

  std::string host = "127.0.0.1";
  std::int64_t port = 8000;
  std::string socket;
  std::string socket_mode = "660";
  bool force_public = false;
  std::vector<std::string> allowed_hosts;
  std::vector<std::string> cors_origins;

  std::vector<std::string> api_keys;
  std::string api_keys_file;
  std::vector<std::string> admin_keys;
  std::string admin_keys_file;
  bool open_metrics = false;

  std::int64_t queue_limit = 4096;
  std::int64_t max_wait_ms = 5000;
  std::int64_t max_servers = 256;
  std::int64_t max_body_bytes = 0;  // 0: what max_servers needs as JSON
  std::int64_t max_bytes_in_flight = std::int64_t{256} << 20;
  std::int64_t max_connections = 4096;
  std::int64_t headers_timeout_ms = 10'000;
  std::int64_t request_timeout_ms = 30'000;
  std::int64_t keep_alive_timeout_ms = 65'000;
  bool compress = true;

  std::int64_t drain_delay_ms = 0;
  std::int64_t stop_timeout_ms = 30'000;
  std::string log_level = "info";
  bool access_log = false;

  bool print_config = false;
  bool help = false;

  bool has_keys() const { return !api_keys.empty() || !api_keys_file.empty(); }
};

/// A setting that cannot be used; the message names it and where it came from.
class SettingError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws SettingError. `environment`: as main has it, ending with null.
Settings read_settings(int argc, char** argv, char** environment);

/// The effective settings as JSON, without the keys.
std::string print_settings(const Settings& settings);

/// What --help prints.
std::string help_text();

/// Whether an API key has 16 to 256 characters, without spaces.
bool is_good_key(const std::string& key);

/// Whether an address is reachable from this machine only.
bool is_loopback(const std::string& host);

}  // namespace tft::server

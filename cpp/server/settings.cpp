// The table of settings, and what reads it: flags, environment variables, the help, --print-config.
#include "server/settings.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <functional>
#include <map>
#include <variant>

#include "server/json_text.h"

namespace tft::server {
namespace {

constexpr std::int64_t kDay = 86'400'000;
constexpr std::int64_t kMany = std::int64_t{1} << 53;
constexpr const char* kPrefix = "TFT_SERVE_";

using Text = std::string Settings::*;
using List = std::vector<std::string> Settings::*;
using Number = std::int64_t Settings::*;
using Flag = bool Settings::*;

struct Setting {
  const char* key;
  std::variant<Text, List, Number, Flag> member;
  const char* meaning;
  std::int64_t least = 1;  // of a number
  std::int64_t most = kMany;
  bool secret = false;  // no flag, because other users of the machine could see it
};

const std::vector<Setting>& table() {
  static const std::vector<Setting> SETTINGS = {
      {"model", &Settings::model, "the bundle to serve, or a folder of versions named 1, 2, 3 …"},
      {"name", &Settings::name, "the model's name in URLs and metrics; by default the one in model.json"},
      {"maxBatch", &Settings::max_batch, "the largest number of series in one run"},
      {"threads", &Settings::threads, "computing threads on a CPU", 1, 64},
      {"engine", &Settings::engine,
       "run this TensorRT plan, on a GPU; without it the CPU runs the ONNX file"},
      {"tensorrt", &Settings::tensorrt, "TensorRT's library, or the folder that has it"},
      {"cuda", &Settings::cuda, "libcuda.so.1, or the folder that has it"},
      {"devices", &Settings::devices, "CUDA's numbers of the GPUs to use"},
      {"plugins", &Settings::plugins, "libraries with the TensorRT plugins that the plan needs"},
      {"lanes", &Settings::lanes, "batches that each GPU runs at once", 1, 64},
      {"onnxruntime", &Settings::onnxruntime, "ONNX Runtime's library, or the folder that has it"},
      {"kernels", &Settings::kernels,
       "on a CPU, tft-server's own kernels run the parts of the model that they support"},
      {"host", &Settings::host, "the address to listen on"},
      {"port", &Settings::port, "the port; 0 takes any free one", 0, 65'535},
      {"socket", &Settings::socket, "listen on this Unix socket instead"},
      {"socketMode", &Settings::socket_mode, "who may use the Unix socket, as chmod says it"},
      {"forcePublic", &Settings::force_public, "listen beyond this machine even without API keys"},
      {"allowedHosts", &Settings::allowed_hosts,
       "names under which browsers may reach a service of this machine without keys; * for any"},
      {"corsOrigins", &Settings::cors_origins, "origins whose pages may ask and read answers; * for any"},
      {"apiKeys", &Settings::api_keys, "keys; each request must have one of them", 1, kMany, true},
      {"apiKeysFile", &Settings::api_keys_file, "a file with one key a line"},
      {"adminKeys", &Settings::admin_keys, "keys that may also reload the model", 1, kMany, true},
      {"adminKeysFile", &Settings::admin_keys_file, "a file with one key a line"},
      {"openMetrics", &Settings::open_metrics, "/metrics needs no key"},
      {"queueLimit", &Settings::queue_limit, "the largest number of series that may wait", 1, 1 << 30},
      {"maxWaitMs", &Settings::max_wait_ms, "the longest that a request waits to run", 1, kDay},
      {"maxServers", &Settings::max_servers, "the largest number of series in one request", 1, 1 << 30},
      {"maxBodyBytes", &Settings::max_body_bytes,
       "the largest body; by default what maxServers needs as JSON"},
      {"maxBytesInFlight", &Settings::max_bytes_in_flight,
       "the largest number of bytes of bodies and answers in progress"},
      {"maxConnections", &Settings::max_connections, "the largest number of connections"},
      {"headersTimeoutMs", &Settings::headers_timeout_ms, "the time for the headers to arrive", 1, kDay},
      {"requestTimeoutMs", &Settings::request_timeout_ms, "the time for a request to arrive", 1, kDay},
      {"keepAliveTimeoutMs", &Settings::keep_alive_timeout_ms, "how long an idle connection is kept", 1,
       kDay},
      {"compress", &Settings::compress, "compress answers for clients that ask for it"},
      {"drainDelayMs", &Settings::drain_delay_ms,
       "the time between the stop signal and refusing new connections", 0, kDay},
      {"stopTimeoutMs", &Settings::stop_timeout_ms, "the time to finish the current requests", 0, kDay},
      {"logLevel", &Settings::log_level, "trace, debug, info, warn, error or silent"},
      {"accessLog", &Settings::access_log, "log each request, not only those refused"},
      {"printConfig", &Settings::print_config, "print the effective settings and end"},
      {"help", &Settings::help, "print this and end"},
  };
  return SETTINGS;
}

/// maxWaitMs as max-wait-ms, or as MAX_WAIT_MS.
std::string words(const char* key, char between, bool upper) {
  std::string text;
  for (const char* at = key; *at != '\0'; ++at) {
    const bool capital = *at >= 'A' && *at <= 'Z';
    if (capital) text += between;
    const char lower = capital ? static_cast<char>(*at - 'A' + 'a') : *at;
    text += upper && lower >= 'a' && lower <= 'z' ? static_cast<char>(lower - 'a' + 'A') : lower;
  }
  return text;
}

std::string flag_of(const Setting& setting) { return "--" + words(setting.key, '-', false); }
std::string variable_of(const Setting& setting) { return kPrefix + words(setting.key, '_', true); }

[[noreturn]] void refuse(const Setting& setting, const std::string& source, const std::string& problem) {
  throw SettingError(std::string(setting.key) + " (from " + source + "): " + problem);
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  while (from <= text.size()) {
    const std::size_t end = std::min(text.find(',', from), text.size());
    const std::string part = text.substr(from, end - from);
    const std::size_t begin = part.find_first_not_of(' ');
    if (begin != std::string::npos)
      parts.push_back(part.substr(begin, part.find_last_not_of(' ') - begin + 1));
    from = end + 1;
  }
  return parts;
}

void set(Settings& settings, const Setting& setting, const std::string& text, const std::string& source) {
  const std::string found = setting.secret ? "" : ", found " + json_quoted(text.substr(0, 80));
  if (const auto* const member = std::get_if<Text>(&setting.member)) {
    if (text.empty()) refuse(setting, source, "must not be empty");
    settings.*(*member) = text;
  } else if (const auto* const list = std::get_if<List>(&setting.member)) {
    settings.*(*list) = split(text);
  } else if (const auto* const number = std::get_if<Number>(&setting.member)) {
    std::int64_t value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc() || end != text.data() + text.size() || value < setting.least ||
        value > setting.most)
      refuse(setting, source,
             "a whole number from " + std::to_string(setting.least) + " to " + std::to_string(setting.most) +
                 " is expected" + found);
    settings.*(*number) = value;
  } else {
    const bool on = text == "true" || text == "1";
    if (!on && text != "false" && text != "0") refuse(setting, source, "true or false is expected" + found);
    settings.*std::get<Flag>(setting.member) = on;
  }
}

/// Kubernetes puts such variables into the environment for each Service, named after it.
bool is_service_link(const std::string& name, const std::string& value) {
  const auto ends = [&](const char* end) { return name.ends_with(end); };
  return name.find("SERVICE_HOST") != std::string::npos || name.find("SERVICE_PORT") != std::string::npos ||
         name.find("_TCP") != std::string::npos || name.find("_UDP") != std::string::npos ||
         name.find("_SCTP") != std::string::npos || (ends("_PORT") && value.find("://") != std::string::npos);
}

void read_environment(Settings& settings, char** environment) {
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string entry = *environment;
    if (!entry.starts_with(kPrefix)) continue;
    const std::size_t equal = entry.find('=');
    const std::string name = entry.substr(0, equal);
    const std::string value = equal == std::string::npos ? "" : entry.substr(equal + 1);
    if (is_service_link(name, value)) continue;
    bool known = false;
    for (const Setting& setting : table()) {
      if (variable_of(setting) != name) continue;
      known = true;
      if (!value.empty()) set(settings, setting, value, name);
    }
    if (!known) throw SettingError("the environment's " + name + " is no setting of tft-server");
  }
}

void read_flags(Settings& settings, int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::string flag = argv[i];
    std::string value;
    const std::size_t equal = flag.find('=');
    const bool joined = equal != std::string::npos;
    if (joined) {
      value = flag.substr(equal + 1);
      flag.resize(equal);
    }
    const bool negated = flag.starts_with("--no-");
    const std::string plain = negated ? "--" + flag.substr(5) : flag;
    const Setting* found = nullptr;
    for (const Setting& setting : table())
      if (!setting.secret && flag_of(setting) == plain) found = &setting;
    if (found == nullptr)
      throw SettingError("there is no option " + flag + "; tft-server --help lists them all");
    if (std::holds_alternative<Flag>(found->member)) {
      set(settings, *found, joined ? value : negated ? "false" : "true", flag);
    } else {
      if (!joined && i + 1 == argc) throw SettingError(flag + " needs a value");
      set(settings, *found, joined ? value : argv[++i], flag);
    }
  }
}

void check_keys(const std::vector<std::string>& keys, const char* name) {
  for (const std::string& key : keys)
    if (!is_good_key(key))
      throw SettingError(std::string(name) + ": a key has 16 to 256 characters, without spaces");
}

void refuse_contradictions(const Settings& settings) {
  check_keys(settings.api_keys, "apiKeys");
  check_keys(settings.admin_keys, "adminKeys");
  const std::string& mode = settings.socket_mode;
  if (mode.size() < 3 || mode.size() > 4 || mode.find_first_not_of("01234567") != std::string::npos ||
      (mode.size() == 4 && mode[0] != '0'))
    throw SettingError("socketMode: three octal digits are expected, as chmod takes them");
  const std::string& level = settings.log_level;
  bool known = false;
  for (const char* one : {"trace", "debug", "info", "warn", "error", "silent"}) known = known || level == one;
  if (!known) throw SettingError("logLevel: trace, debug, info, warn, error or silent is expected");
  if (settings.socket.empty() && !settings.has_keys() && !settings.force_public &&
      !is_loopback(settings.host))
    throw SettingError("host: '" + settings.host +
                       "' can be reached from other machines, and there are no API keys; set apiKeysFile, or "
                       "forcePublic if something else controls access");
  if (settings.model.empty())
    throw SettingError("model: is missing; name a bundle, such as --model models/demo");
}

}  // namespace

Settings read_settings(int argc, char** argv, char** environment) {
  Settings settings;
  read_environment(settings, environment);
  read_flags(settings, argc, argv);
  if (!settings.help) refuse_contradictions(settings);
  return settings;
}

std::string print_settings(const Settings& settings) {
  std::string out = "{";
  const auto list = [](const std::vector<std::string>& items, bool secret) {
    std::string text = "[";
    for (const std::string& item : items)
      text += (text.size() > 1 ? ", " : "") + json_quoted(secret ? "***" : item);
    return text + "]";
  };
  for (const Setting& setting : table()) {
    std::string value;
    if (const auto* const member = std::get_if<Text>(&setting.member)) {
      if ((settings.*(*member)).empty()) continue;
      value = json_quoted(settings.*(*member));
    } else if (const auto* const items = std::get_if<List>(&setting.member)) {
      value = list(settings.*(*items), setting.secret);
    } else if (const auto* const number = std::get_if<Number>(&setting.member)) {
      if (setting.least > 0 && settings.*(*number) == 0) continue;
      value = std::to_string(settings.*(*number));
    } else {
      const Flag flag = std::get<Flag>(setting.member);
      if (flag == &Settings::help || flag == &Settings::print_config) continue;
      value = settings.*flag ? "true" : "false";
    }
    out += (out.size() > 1 ? ",\n  " : "\n  ") + json_quoted(setting.key) + ": " + value;
  }
  return out + "\n}\n";
}

std::string help_text() {
  std::string out =
      "tft-server --model BUNDLE [options]: serves a model over HTTP, as docs/server.md describes.\n"
      "Each option is also an environment variable: --max-wait-ms is TFT_SERVE_MAX_WAIT_MS.\n\n";
  for (const Setting& setting : table()) {
    std::string name = setting.secret ? variable_of(setting) : flag_of(setting);
    constexpr std::size_t WIDTH = 28;
    name.resize(std::max(name.size() + 1, WIDTH), ' ');
    out += "  " + name + setting.meaning + "\n";
  }
  return out;
}

bool is_good_key(const std::string& key) {
  constexpr std::size_t SHORTEST = 16;
  constexpr std::size_t LONGEST = 256;
  return key.size() >= SHORTEST && key.size() <= LONGEST &&
         std::all_of(key.begin(), key.end(), [](char byte) { return byte > ' ' && byte <= '~'; });
}

bool is_loopback(const std::string& host) {
  if (host == "localhost" || host == "::1") return true;
  if (!host.starts_with("127.")) return false;
  int dots = 0;
  for (const char byte : host) {
    if (byte == '.')
      ++dots;
    else if (byte < '0' || byte > '9')
      return false;
  }
  return dots == 3;
}

}  // namespace tft::server

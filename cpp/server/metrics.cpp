// Counts, and writes the text of /metrics.
#include "server/metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>
#include <fstream>
#include <functional>
#include <span>

namespace tft::server {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

std::string number(double value) {
  std::string text;
  append_number(text, value);
  return text;
}

void head(std::string& out, const std::string& name, const char* type, const char* help) {
  out += "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
}

void sample(std::string& out, const std::string& name, const Labels& labels, double value) {
  out += name;
  if (!labels.empty()) {
    out += '{';
    for (std::size_t i = 0; i < labels.size(); ++i)
      out += (i > 0 ? "," : "") + labels[i].first + "=" + json_quoted(labels[i].second);
    out += '}';
  }
  out += ' ' + number(value) + '\n';
}

void gauge(std::string& out, const std::string& name, const char* help, double value) {
  head(out, name, "gauge", help);
  sample(out, name, {}, value);
}

/// One histogram's samples; `counts` are not cumulative.
void buckets(std::string& out, const std::string& name, const Labels& labels, std::span<const double> bounds,
             std::span<const std::uint64_t> counts, double sum) {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i <= bounds.size(); ++i) {
    total += counts[i];
    Labels all = {{"le", i < bounds.size() ? number(bounds[i]) : "+Inf"}};
    all.insert(all.end(), labels.begin(), labels.end());
    sample(out, name + "_bucket", all, static_cast<double>(total));
  }
  sample(out, name + "_sum", labels, sum);
  sample(out, name + "_count", labels, static_cast<double>(total));
}

/// The weight that a client gives a type.
double weight(std::string_view accept, std::string_view type) {
  double most = 0;
  std::size_t from = 0;
  while (from < accept.size()) {
    const std::size_t end = std::min(accept.find(',', from), accept.size());
    std::string_view item = accept.substr(from, end - from);
    from = end + 1;
    item.remove_prefix(std::min(item.find_first_not_of(' '), item.size()));
    std::string_view name = item.substr(0, item.find(';'));
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (name != type) continue;
    double quality = 1;
    if (const std::size_t at = item.find("q="); at != std::string_view::npos) {
      quality = 0;
      std::from_chars(item.data() + at + 2, item.data() + item.size(), quality);
    }
    most = std::max(most, quality);
  }
  return most;
}

/// A counter's family is called without `_total` there, and the text has an end. Triton's counters have no
/// `_total` and must keep their names, or no dashboard finds them: to OpenMetrics they are of unknown type.
std::string to_open_metrics(const std::string& text) {
  constexpr std::string_view TOTAL = "_total";
  std::string out;
  std::size_t from = 0;
  while (from < text.size()) {
    const std::size_t end = text.find('\n', from);
    std::string line = text.substr(from, end - from);
    from = end + 1;
    if (line.starts_with("# HELP ") || line.starts_with("# TYPE ")) {
      constexpr std::size_t AFTER_KIND = 7;
      const std::size_t space = line.find(' ', AFTER_KIND);
      if (std::string_view(line).substr(0, space).ends_with(TOTAL))
        line.erase(space - TOTAL.size(), TOTAL.size());
      else if (line.ends_with(" counter"))
        line.replace(line.size() - 7, 7, "unknown");
    }
    out += line + "\n";
  }
  return out + "# EOF\n";
}

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double pages = 0;
  file >> pages >> pages;
  return pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

const double kStarted = static_cast<double>(std::time(nullptr));

}  // namespace

Metrics::Metrics(ModelHost& host, const Budget& budget, const ServerLog& log)
    : host_(host), budget_(budget), log_(log) {
  host.gone = [this](const ServedModel& model, const Counters& counters) {
    add(gone_[model.version], model, counters);
  };
}

void Metrics::answered(const std::string& route, const std::string& method, int status, double seconds) {
  ++requests_[{route, method, status}];
  Histogram& histogram = seconds_[route];
  const auto bound = std::lower_bound(Histogram::kBounds.begin(), Histogram::kBounds.end(), seconds);
  ++histogram.counts[static_cast<std::size_t>(bound - Histogram::kBounds.begin())];
  histogram.sum += seconds;
}

Metrics::Exposition Metrics::exposition(std::optional<std::string_view> accept,
                                        std::size_t connections) const {
  std::string text;
  write_engine(text);
  write_server(text, connections);
  const std::string_view accepted = accept.value_or("");
  if (weight(accepted, "application/openmetrics-text") > weight(accepted, "text/plain"))
    return {"application/openmetrics-text; version=1.0.0; charset=utf-8", to_open_metrics(text)};
  return {"text/plain; version=0.0.4; charset=utf-8", text};
}

RequestTimes times_of_requests(const Counters& counters) {
  const double shared =
      counters.batches == 0
          ? 0
          : std::max(1.0, static_cast<double>(counters.succeeded) / static_cast<double>(counters.batches));
  return {counters.copy_in_us * shared, counters.run_us * shared, counters.copy_out_us * shared};
}

void Metrics::add(Totals& totals, const ServedModel& model, const Counters& counters) {
  totals.name = model.name;
  Counters& sum = totals.counters;
  sum.accepted += counters.accepted;
  sum.succeeded += counters.succeeded;
  sum.failed += counters.failed;
  sum.cancelled += counters.cancelled;
  sum.expired += counters.expired;
  sum.refused += counters.refused;
  sum.series += counters.series;
  sum.batches += counters.batches;
  sum.queue_us += counters.queue_us;
  const RequestTimes times = times_of_requests(counters);
  totals.times.input_us += times.input_us;
  totals.times.infer_us += times.infer_us;
  totals.times.output_us += times.output_us;
  if (sum.batch_sizes.size() < counters.batch_sizes.size())
    sum.batch_sizes.resize(counters.batch_sizes.size());
  for (std::size_t i = 0; i < counters.batch_sizes.size(); ++i) sum.batch_sizes[i] += counters.batch_sizes[i];
  sum.waiting_series += counters.waiting_series;
  for (std::size_t i = 0; i < totals.durations.counts.size(); ++i)
    totals.durations.counts[i] += model.durations.counts[i];
  totals.durations.seconds += model.durations.seconds;
  totals.invalid += model.invalid;
}

std::map<std::string, Metrics::Totals> Metrics::versions() const {
  auto all = gone_;
  for (const ServedModel* const model : host_.live())
    add(all[model->version], *model, model->engine->counters());
  return all;
}

void Metrics::write_engine(std::string& out) const {
  const auto all = versions();
  const auto of = [](const auto& entry) {
    return Labels{{"model", entry.second.name}, {"version", entry.first}};
  };
  head(out, "tft_inference_duration_seconds", "histogram",
       "Time from a request's submission to its forecast, of requests that succeeded.");
  for (const auto& entry : all)
    buckets(out, "tft_inference_duration_seconds", of(entry), Durations::kBounds,
            entry.second.durations.counts, entry.second.durations.seconds);

  constexpr std::array BATCH_BOUNDS = {1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0};
  head(out, "tft_batch_series", "histogram", "Series in a batch that ran.");
  for (const auto& entry : all) {
    std::array<std::uint64_t, BATCH_BOUNDS.size() + 1> counts{};
    const auto& sizes = entry.second.counters.batch_sizes;
    for (std::size_t size = 0; size < sizes.size(); ++size) {
      const auto bound =
          std::lower_bound(BATCH_BOUNDS.begin(), BATCH_BOUNDS.end(), static_cast<double>(size));
      counts[static_cast<std::size_t>(bound - BATCH_BOUNDS.begin())] += sizes[size];
    }
    buckets(out, "tft_batch_series", of(entry), BATCH_BOUNDS, counts,
            static_cast<double>(entry.second.counters.series));
  }

  const auto counter = [&](const char* name, const char* help, auto value) {
    head(out, name, "counter", help);
    for (const auto& entry : all)
      sample(out, name, of(entry), std::round(static_cast<double>(value(entry.second))));
  };
  counter("nv_inference_request_success", "Number of successful inference requests, all batch sizes",
          [](const Totals& t) { return t.counters.succeeded; });
  head(out, "nv_inference_request_failure", "counter",
       "Number of failed inference requests, all batch sizes");
  for (const auto& entry : all) {
    const Counters& c = entry.second.counters;
    const std::pair<const char*, std::uint64_t> reasons[] = {{"REJECTED", c.refused + c.expired},
                                                             {"CANCELED", c.cancelled},
                                                             {"BACKEND", c.failed},
                                                             {"OTHER", entry.second.invalid}};
    for (const auto& [reason, value] : reasons) {
      Labels labels = of(entry);
      labels.emplace_back("reason", reason);
      sample(out, "nv_inference_request_failure", labels, static_cast<double>(value));
    }
  }
  counter("nv_inference_count", "Number of inferences performed (does not include cached requests)",
          [](const Totals& t) { return t.counters.series; });
  counter("nv_inference_exec_count",
          "Number of model executions performed (does not include cached requests)",
          [](const Totals& t) { return t.counters.batches; });
  counter("nv_inference_request_duration_us",
          "Cumulative inference request duration in microseconds (includes cached requests)",
          [](const Totals& t) {
            return t.counters.queue_us + t.times.input_us + t.times.infer_us + t.times.output_us;
          });
  counter("nv_inference_queue_duration_us",
          "Cumulative inference queuing duration in microseconds (includes cached requests)",
          [](const Totals& t) { return t.counters.queue_us; });
  counter("nv_inference_compute_input_duration_us",
          "Cumulative compute input duration in microseconds (does not include cached requests)",
          [](const Totals& t) { return t.times.input_us; });
  counter("nv_inference_compute_infer_duration_us",
          "Cumulative compute inference duration in microseconds (does not include cached requests)",
          [](const Totals& t) { return t.times.infer_us; });
  counter("nv_inference_compute_output_duration_us",
          "Cumulative inference compute output duration in microseconds (does not include cached requests)",
          [](const Totals& t) { return t.times.output_us; });
  head(out, "nv_inference_pending_request_count", "gauge",
       "Instantaneous number of pending requests awaiting execution per-model");
  for (const auto& entry : all) {
    const Counters& c = entry.second.counters;
    const auto open = static_cast<double>(c.accepted - c.succeeded - c.failed - c.cancelled - c.expired);
    sample(out, "nv_inference_pending_request_count", of(entry),
           std::max(0.0, std::min(open, static_cast<double>(c.waiting_series))));
  }
}

void Metrics::write_server(std::string& out, std::size_t connections) const {
  head(out, "tft_http_requests_total", "counter", "HTTP requests answered.");
  for (const auto& [key, count] : requests_) {
    const auto& [route, method, status] = key;
    sample(out, "tft_http_requests_total",
           {{"route", route}, {"method", method}, {"status", std::to_string(status)}},
           static_cast<double>(count));
  }
  head(out, "tft_http_request_duration_seconds", "histogram",
       "Time from the headers of a request to the end of its answer.");
  for (const auto& [route, histogram] : seconds_)
    buckets(out, "tft_http_request_duration_seconds", {{"route", route}}, Histogram::kBounds,
            histogram.counts, histogram.sum);
  head(out, "tft_http_refusals_total", "counter", "HTTP requests refused, by the code in the answer.");
  for (const auto& [code, count] : refusals_)
    sample(out, "tft_http_refusals_total", {{"code", std::string(name_of(code))}},
           static_cast<double>(count));

  const ServedModel* const model = host_.current().get();
  const Counters counters = model == nullptr ? Counters{} : model->engine->counters();
  gauge(out, "tft_http_connections", "Open connections.", static_cast<double>(connections));
  gauge(out, "tft_http_in_flight_bytes", "Bytes of requests and responses in progress.",
        static_cast<double>(budget_.used()));
  gauge(out, "tft_http_in_flight_limit_bytes", "The limit of these bytes, beyond which requests are refused.",
        static_cast<double>(budget_.limit()));
  gauge(out, "tft_ready", "1 when requests are served, else 0.",
        host_.phase() == ModelHost::Phase::READY ? 1 : 0);
  gauge(out, "tft_queue_servers", "Series that wait to run.", static_cast<double>(counters.waiting_series));
  gauge(out, "tft_queue_limit_servers", "The limit of series that wait.",
        model == nullptr ? 0 : model->queue_limit);
  gauge(out, "tft_running_batches", "Batches that are running.",
        static_cast<double>(counters.running_batches));
  head(out, "tft_log_lines_dropped_total", "counter", "Lines of the log that could not be written.");
  sample(out, "tft_log_lines_dropped_total", {}, static_cast<double>(log_.dropped()));
  head(out, "tft_model_info", "gauge", "The served model and its backend; the value is always 1.");
  if (model != nullptr)
    sample(out, "tft_model_info",
           {{"model", model->name},
            {"version", model->version},
            {"backend", model->backend},
            {"device", model->device},
            {"precision", model->precision}},
           1);
  head(out, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.");
  sample(out, "process_cpu_seconds_total", {}, processor_seconds());
  gauge(out, "process_resident_memory_bytes", "Resident memory size in bytes.", resident_bytes());
  gauge(out, "process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
        kStarted);
}

}  // namespace tft::server

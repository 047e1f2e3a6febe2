// soak [MINUTES]: uses the engine in every way over the doubles for this long. Fails if memory grows, if a
// result is wrong, or if anything is not freed. One engine stays open throughout; others are opened and
// closed meanwhile.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <random>
#include <thread>

#include "support.h"
#include "tft/tensorrt.h"

namespace tft::testing {
namespace {

using Clock = std::chrono::steady_clock;

double resident_mib() {
  std::ifstream statistics("/proc/self/statm");
  long pages = 0;
  statistics >> pages >> pages;
  return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1024 * 1024);
}

class Soak {
 public:
  int run(double minutes);

 private:
  std::unique_ptr<TFTEngine> load(bool graphs);
  void burst(TFTEngine& engine, std::mt19937& random);
  void check(bool good, const std::string& what);

  const doubles::Plan plan_ = small_plan({1, 8});
  std::atomic<std::uint64_t> requests_ = 0;
  std::atomic<int> problems_ = 0;
};

void Soak::check(bool good, const std::string& what) {
  if (good) return;
  if (++problems_ < 20) std::fprintf(stderr, "%s\n", what.c_str());
}

std::unique_ptr<TFTEngine> Soak::load(bool graphs) {
  EngineOptions options;
  options.libraries = doubles_only();
  options.devices = {0, 1};
  options.cuda_graphs = graphs;
  const std::string bytes = bytes_of(plan_);
  auto engine = load_tensorrt(as_bytes(bytes), shape_of(plan_), options);
  if (!engine.ok()) {
    check(false, engine.error().message);
    return nullptr;
  }
  return std::move(engine).value();
}

void Soak::burst(TFTEngine& engine, std::mt19937& random) {
  std::deque<Series> series;
  std::deque<Ending> endings;
  for (int i = 0; i < 16; ++i) {
    series.emplace_back(plan_, 1 + static_cast<int>(random() % 12), random());
    endings.emplace_back();
    const auto deadline =
        random() % 8 == 0 ? Clock::now() + std::chrono::microseconds(300) : Clock::time_point::max();
    const auto id = submit(engine, series.back(), endings.back(), deadline);
    check(id.ok(), "submit refused");
    if (id.ok() && random() % 8 == 0) engine.cancel(*id);
  }
  Series blocking(plan_, 3, random());
  check(engine.predict(blocking.part().inputs, 3, blocking.out.data()).ok() && blocking.difference().empty(),
        "predict");
  for (std::size_t i = 0; i < endings.size(); ++i) {
    if (endings[i].wait().ok()) check(series[i].difference().empty(), series[i].difference());
  }
  requests_ += 17;
}

int Soak::run(double minutes) {
  double_reset();
  double_set("devices", 2);
  const auto begin = Clock::now();
  const auto end =
      begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(minutes * 60));
  auto lasting = load(true);
  if (lasting == nullptr) return 1;

  std::vector<std::thread> callers;
  for (std::uint32_t caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&, random = std::mt19937(caller)]() mutable {
      while (Clock::now() < end) burst(*lasting, random);
    });
  }
  std::thread passing([&, random = std::mt19937(99)]() mutable {
    for (int round = 0; Clock::now() < end; ++round) {
      const auto engine = load(round % 2 == 0);
      if (engine != nullptr) burst(*engine, random);
      // Some engines are closed by their destructor only.
      if (engine != nullptr && round % 3 == 0) engine->close();
    }
  });

  // Allocators warm up in the first fifth; memory must not grow in the rest.
  double settled = 0;
  double most = 0;
  auto next = begin;
  while (Clock::now() < end) {
    const double elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
    const double now = resident_mib();
    (elapsed < minutes * 12 ? settled : most) = std::max(elapsed < minutes * 12 ? settled : most, now);
    if (Clock::now() >= next) {
      std::printf("%7.1f s  %10llu requests  %7.1f MiB resident\n", elapsed,
                  static_cast<unsigned long long>(requests_.load()), now);
      std::fflush(stdout);
      next += std::chrono::seconds(minutes > 5 ? 60 : 10);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  for (std::thread& caller : callers) caller.join();
  passing.join();
  lasting.reset();

  check(double_violations() == 0, double_violation_text());
  check(double_created("*") == double_freed("*"), "more objects were created than freed");
  std::printf(
      "%llu requests, %lld objects created, %lld freed, resident %.1f MiB at first and %.1f MiB at most\n",
      static_cast<unsigned long long>(requests_.load()), static_cast<long long>(double_created("*")),
      static_cast<long long>(double_freed("*")), settled, most);
  check(most < settled * 1.1 + 8, "resident memory grew");
  std::printf(problems_ == 0 ? "passed\n" : "FAILED\n");
  return problems_ == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tft::testing

int main(int count, char** arguments) {
  return tft::testing::Soak().run(count > 1 ? std::atof(arguments[1]) : 1);
}

// Helper threads for work that can be split: one thread copies a large batch more slowly than the GPU runs
// it.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace tft {

class Helpers {
 public:
  /// With 0 threads, `share` does all work on the calling thread.
  explicit Helpers(int threads);
  /// After the last `share` has returned.
  ~Helpers();
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;

  /// Calls work(0) … work(count - 1), each once, on this thread and on idle helpers; returns when all calls
  /// have returned. Any thread, several at once. `work` must not throw.
  void share(std::size_t count, const std::function<void(std::size_t)>& work);
  bool any() const { return !threads_.empty(); }
  /// Copies memory as memcpy does; large copies are shared.
  void copy(void* to, const void* from, std::size_t bytes);

 private:
  struct Job;
  void help();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job*> jobs_;  // jobs with work left
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tft

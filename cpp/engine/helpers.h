// Threads that help lanes with work that can be shared: copying a large batch takes one thread longer than
// the GPU takes to run it.
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
  /// With none all work is done by who shares it.
  explicit Helpers(int threads);
  /// After the last `share` has returned.
  ~Helpers();
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;

  /// Calls work(0) … work(count - 1), each once, on this thread and on helpers that have nothing else to do;
  /// returns when all have returned. Any thread, several at once. `work` must not throw.
  void share(std::size_t count, const std::function<void(std::size_t)>& work);
  bool any() const { return !threads_.empty(); }

 private:
  struct Job;
  void help();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job*> jobs_;  // that have work left for more threads
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tft

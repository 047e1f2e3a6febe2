// Shares work among threads.
#include "engine/helpers.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace tft {
namespace {

/// Fewer bytes are copied faster than a helper wakes up.
constexpr std::size_t kSharedBytes = std::size_t{512} << 10;
constexpr std::size_t kChunkBytes = std::size_t{128} << 10;

}  // namespace

/// Work that is being shared. It is on the stack of `share`, which returns only when no helper uses it.
struct Helpers::Job {
  Job(const std::function<void(std::size_t)>& what, std::size_t how_often) : work(what), count(how_often) {}

  const std::function<void(std::size_t)>& work;
  const std::size_t count;
  std::atomic<std::size_t> next = 0;
  int helping = 0;  // with the mutex held
  std::condition_variable left;

  void run() {
    for (std::size_t i = 0; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) work(i);
  }
};

Helpers::Helpers(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { help(); });
}

Helpers::~Helpers() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Helpers::share(std::size_t count, const std::function<void(std::size_t)>& work) {
  Job job(work, count);
  if (threads_.empty() || count < 2) return job.run();
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(&job);
  }
  for (std::size_t i = 0; i < std::min(threads_.size(), count - 1); ++i) changed_.notify_one();
  job.run();
  std::unique_lock lock(mutex_);
  std::erase(jobs_, &job);
  job.left.wait(lock, [&] { return job.helping == 0; });
}

void Helpers::copy(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;  // memcpy takes no null pointer, not even then
  if (threads_.empty() || bytes < kSharedBytes) {
    std::memcpy(to, from, bytes);
    return;
  }
  share((bytes + kChunkBytes - 1) / kChunkBytes, [&](std::size_t chunk) {
    const std::size_t begin = chunk * kChunkBytes;
    std::memcpy(static_cast<std::byte*>(to) + begin, static_cast<const std::byte*>(from) + begin,
                std::min(kChunkBytes, bytes - begin));
  });
}

void Helpers::help() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopped_ || !jobs_.empty(); });
    if (stopped_) return;
    Job& job = *jobs_.front();
    ++job.helping;
    lock.unlock();
    job.run();
    lock.lock();
    std::erase(jobs_, &job);
    // Notify with the mutex held: `share` destroys the job as soon as it sees that no thread helps.
    if (--job.helping == 0) job.left.notify_one();
  }
}

}  // namespace tft

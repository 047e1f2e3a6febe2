#include "completion_queue.h"

namespace tft::binding {

void CompletionQueue::post(QueueItem* item) {
  QueueItem* before = newest_.load(std::memory_order_relaxed);
  do {
    item->next = before;
    // Sequentially consistent with `awake_`: either the thread's last `collect` sees the item, or the check
    // below sees that the thread is asleep.
  } while (
      !newest_.compare_exchange_weak(before, item, std::memory_order_seq_cst, std::memory_order_relaxed));
  if (before == nullptr && !awake_ && !closed_)
    napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
}

QueueItem* CompletionQueue::collect() {
  QueueItem* newest = newest_.exchange(nullptr, std::memory_order_seq_cst);
  QueueItem* oldest = nullptr;
  while (newest != nullptr) {
    QueueItem* before = newest->next;
    newest->next = oldest;
    oldest = newest;
    newest = before;
  }
  return oldest;
}

}  // namespace tft::binding

#include "outbox.h"

namespace tft::binding {

void Outbox::post(Parcel* parcel) {
  Parcel* before = newest_.load(std::memory_order_relaxed);
  do {
    parcel->next = before;
    // In one order with `awake_`: either the thread's last look sees the parcel, or it is seen to be asleep
    // here.
  } while (
      !newest_.compare_exchange_weak(before, parcel, std::memory_order_seq_cst, std::memory_order_relaxed));
  if (before == nullptr && !awake_ && !closed_)
    napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
}

Parcel* Outbox::collect() {
  Parcel* newest = newest_.exchange(nullptr, std::memory_order_seq_cst);
  Parcel* oldest = nullptr;
  while (newest != nullptr) {
    Parcel* before = newest->next;
    newest->next = oldest;
    oldest = newest;
    newest = before;
  }
  return oldest;
}

}  // namespace tft::binding

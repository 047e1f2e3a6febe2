// The minimal cost of a result from another thread: ask() wakes a thread, which wakes JavaScript's thread
// with a ThreadSafeFunction, which calls the function given to listen(). For benchmarks only.
#include <napi.h>

#include <condition_variable>
#include <mutex>
#include <thread>

namespace {

class Echo : public Napi::Addon<Echo> {
 public:
  Echo(Napi::Env, Napi::Object exports) {
    DefineAddon(exports, {InstanceMethod("listen", &Echo::listen), InstanceMethod("ask", &Echo::ask),
                          InstanceMethod("end", &Echo::end)});
  }

 private:
  Napi::Value listen(const Napi::CallbackInfo& info) {
    wake_ = Napi::ThreadSafeFunction::New(info.Env(), info[0].As<Napi::Function>(), "echo", 0, 1);
    thread_ = std::thread([this] { run(); });
    return info.Env().Undefined();
  }

  Napi::Value ask(const Napi::CallbackInfo& info) {
    {
      const std::lock_guard lock(mutex_);
      waiting_++;
    }
    asked_.notify_one();
    return info.Env().Undefined();
  }

  Napi::Value end(const Napi::CallbackInfo& info) {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    asked_.notify_one();
    thread_.join();
    wake_.Release();
    return info.Env().Undefined();
  }

  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      asked_.wait(lock, [this] { return waiting_ > 0 || ending_; });
      if (ending_) return;
      waiting_--;
      lock.unlock();
      wake_.NonBlockingCall();
      lock.lock();
    }
  }

  Napi::ThreadSafeFunction wake_;
  std::mutex mutex_;
  std::condition_variable asked_;
  int waiting_ = 0;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace

NODE_API_ADDON(Echo)

#include "job.h"

#include <system_error>
#include <utility>

#include "environment.h"
#include "native_engine.h"
#include "settle.h"

namespace tft::binding {

/// A line of a job's log for JavaScript. The job outlives it: the job's End is posted later.
class Job::Line : public Message {
 public:
  Line(Job& job, LogLevel level, std::string text) : job_(job), level_(level), text_(std::move(text)) {}
  void deliver() override {
    const Napi::Env env = job_.log_.Env();
    call(job_.log_, {Napi::String::New(env, level_name(level_)), Napi::String::New(env, text_)});
  }

 private:
  Job& job_;
  LogLevel level_;
  std::string text_;
};

/// The last item that a job's thread posts.
class Job::End : public Message {
 public:
  explicit End(Job& job) : job_(job) {}
  void deliver() override {
    const std::unique_ptr<Job> job = job_.environment_.remove(&job_);
    job->join();
    job->environment_.settled();
    job->settle(job->log_.Env(), *job->promise_);
  }

 private:
  Job& job_;
};

Napi::Value Job::start(Environment& environment, Napi::Env env, std::unique_ptr<Job> job) {
  job->promise_.emplace(env);
  auto result = Napi::Object::New(env);
  result.Set("result", job->promise_->Promise());
  // Holds the stop source, not the job: JavaScript may call cancel after the job is freed.
  result.Set(
      "cancel",
      Napi::Function::New(
          env, [stop = job->stop_](const Napi::CallbackInfo&) mutable { stop.request_stop(); }, "cancel"));
  Job& started = *job;
  environment.add(std::move(job));
  environment.submitted();
  try {
    started.thread_ = std::thread([&started, &completions = environment.completions()] {
      started.execute();
      completions.post(std::make_unique<End>(started));
    });
  } catch (const std::system_error& error) {
    const std::unique_ptr<Job> failed = environment.remove(&started);
    environment.settled();
    Result<void> none =
        Error{ErrorCode::OUT_OF_MEMORY, std::string("no thread can be started: ") + error.what()};
    settle_promise(env, *failed->promise_, none, [](Napi::Env in) { return in.Undefined(); });
  }
  return result;
}

void Job::call(const Napi::FunctionReference& function, const std::initializer_list<napi_value>& arguments) {
  const Napi::Env env = function.Env();
  function.Call(arguments);
  if (!env.IsExceptionPending()) return;
  const Napi::Error error = env.GetAndClearPendingException();
  napi_fatal_exception(env, error.Value());
}

void Job::join() {
  if (thread_.joinable()) thread_.join();
}

Log Job::logger() {
  return [this](LogLevel level, const std::string& text) {
    environment_.completions().post(std::make_unique<Line>(*this, level, text));
  };
}

}  // namespace tft::binding

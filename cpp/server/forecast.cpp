// Submits a request and waits for its completion without blocking the network thread.
#include "server/forecast.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <optional>
#include <string>
#include <vector>

namespace tft::server {

namespace asio = boost::asio;

namespace {

/// A request on the engine. It lives in its coroutine, which waits until `result` is there.
struct Pending {
  asio::steady_timer ended;  // cancelled when the result is there
  std::optional<Result<Timing>> result;

  /// On an engine thread.
  static void complete(RequestId, const Result<Timing>& result, void* user) noexcept {
    auto* const pending = static_cast<Pending*>(user);
    asio::post(pending->ended.get_executor(), [pending, result] {
      pending->result = result;
      pending->ended.cancel();
    });
  }
};

std::string milliseconds(double value) {
  char text[32];
  const auto [end, problem] = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed);
  return problem == std::errc() ? std::string(text, end) + " ms" : "its time";
}

HttpError error_of(const ServedModel& model, const Error& error, Wait wait) {
  if (error.code == ErrorCode::INPUT_VALUE && error.bad_value)
    return bad_value_error(model, *error.bad_value);
  if (error.code == ErrorCode::ABORTED)
    return {Code::ABORTED, "the client disconnected before its response", kClientGone};
  if (error.code == ErrorCode::DEADLINE)
    return {Code::DEADLINE, "the request had not begun to run within " + milliseconds(wait.milliseconds)};
  return from_engine(error);
}

/// Ends the watch whatever happens.
struct Watch {
  Exchange& exchange;
  ~Watch() { exchange.ignore_client(); }
};

}  // namespace

asio::awaitable<Outputs> forecast(const ServedModel& model, const Inputs& inputs, int series, Wait wait,
                                  Exchange& exchange) {
  using Clock = std::chrono::steady_clock;
  const auto submitted = Clock::now();
  Outputs outputs;
  std::vector<float*> targets;
  for (const TensorShape& shape : model.outputs()) {
    const std::size_t count = static_cast<std::size_t>(series) * ServedModel::size_of(shape);
    outputs.push_back({std::make_unique_for_overwrite<float[]>(count), count});
    targets.push_back(outputs.back().values.get());
  }
  const std::vector<const void*> pointers = inputs.pointers();
  const Part part{pointers, series, targets};

  const auto executor = co_await asio::this_coro::executor;
  Pending pending{asio::steady_timer(executor, Clock::time_point::max()), {}};
  Request request;
  request.parts = {&part, 1};
  request.deadline = wait.end;
  request.completion = &Pending::complete;
  request.user = &pending;
  request.inputs = InputMemory::BORROWED;
  const Result<RequestId> id = model.engine->submit(request);
  if (!id) throw error_of(model, id.error(), wait);
  {
    const Watch watch{exchange};
    exchange.watch_client([&engine = *model.engine, id = *id] { engine.cancel(id); });
    while (!pending.result) co_await pending.ended.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  if (!pending.result->ok()) throw error_of(model, pending.result->error(), wait);
  model.durations.add(std::chrono::duration<double>(Clock::now() - submitted).count());
  co_return outputs;
}

}  // namespace tft::server

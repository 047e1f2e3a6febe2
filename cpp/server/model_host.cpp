// Loads and replaces models.
#include "server/model_host.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <ctime>

namespace tft::server {

namespace asio = boost::asio;

ModelHost::ModelHost(asio::io_context& io, const Settings& settings, ServerLog& log)
    : io_(io), settings_(settings), log_(log), started_(std::time(nullptr)) {}

ModelHost::~ModelHost() { close(); }

const ModelPointer& ModelHost::need() const {
  constexpr int RETRY_SECONDS = 5;
  if (current_ == nullptr) throw HttpError(Code::HTTP_NOT_READY, reason_, 0, RETRY_SECONDS);
  return current_;
}

std::vector<const ServedModel*> ModelHost::live() const { return live_; }

void ModelHost::load(Loaded done) {
  if (loading_) return next_.push_back(std::move(done));
  waiting_.push_back(std::move(done));
  begin();
}

void ModelHost::begin() {
  loading_ = true;
  if (loader_.joinable()) loader_.join();
  loader_ = std::thread([this, guard = asio::make_work_guard(io_)] {
    // A shared pointer, because handlers must be copyable.
    auto result = std::make_shared<Result<std::unique_ptr<ServedModel>>>(load_model(settings_, log_));
    asio::post(io_, [this, result] { ended(std::move(*result)); });
  });
}

void ModelHost::ended(Result<std::unique_ptr<ServedModel>> result) {
  loading_ = false;
  const bool first = current_ == nullptr;
  Result<ModelPointer> outcome = current_;
  if (result.ok()) {
    ServedModel* const model = result->release();
    live_.push_back(model);
    // The last request that holds a model gives it back to this thread.
    current_ = ModelPointer(model, [this](const ServedModel* last) {
      retire(std::unique_ptr<ServedModel>(const_cast<ServedModel*>(last)));
    });
    outcome = current_;
    if (phase_ != Phase::STOPPING && !lost_) {
      phase_ = Phase::READY;
      reason_.clear();
    }
    log_.info(first ? "ready" : "the new model serves",
              Fields()
                  .text("model", model->name)
                  .text("version", model->version)
                  .text("backend", model->backend)
                  .text("device", model->device)
                  .number("maxBatch", model->engine->info().max_batch)
                  .number("threads", model->lanes));
  } else {
    const Error& error = result.error();
    const std::string code(code_name(error.code));
    outcome = error;
    // Everyone may read the reason, so it must not contain paths and the like.
    if (first && phase_ == Phase::LOADING) {
      phase_ = Phase::FAILED;
      reason_ = "the model cannot be loaded (" + code + "); the log says why";
    }
    log_.error(first ? "the model cannot be loaded" : "reload failed; the old model stays",
               Fields().text("code", code).text("reason", error.message));
  }
  std::deque<Loaded> done;
  done.swap(waiting_);
  if (!next_.empty()) {
    waiting_.swap(next_);
    begin();
  }
  for (const Loaded& each : done) each(outcome);
}

void ModelHost::retire(std::unique_ptr<ServedModel> model) {
  live_.erase(std::remove(live_.begin(), live_.end(), model.get()), live_.end());
  if (gone) gone(*model, model->engine->counters());
  log_.info("closed", Fields().text("model", model->name).text("version", model->version));
  // Closing waits for the engine's threads, and the network thread must not wait.
  const auto closer = closers_.emplace(closers_.end());
  *closer = std::thread([this, closer, model = std::move(model)]() mutable {
    model->engine->close();
    model.reset();
    asio::post(io_, [this, closer] {
      closer->join();
      closers_.erase(closer);
    });
  });
}

void ModelHost::stopping() {
  phase_ = Phase::STOPPING;
  reason_ = "the service is stopping";
}

void ModelHost::lost(const std::string& message) {
  lost_ = true;
  if (phase_ == Phase::STOPPING) return;
  phase_ = Phase::FAILED;
  reason_ = message + "; the process must be restarted";
}

void ModelHost::close() {
  if (loader_.joinable()) loader_.join();
  current_.reset();
  for (std::thread& closer : closers_) closer.join();
  closers_.clear();
}

}  // namespace tft::server

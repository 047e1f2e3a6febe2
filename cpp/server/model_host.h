// Owns the served model: loads it while the service already responds, and replaces it by a new version
// without losing a request. Everything but the loading itself happens on the network thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/load_model.h"
#include "tft/counters.h"

namespace tft::server {

class ModelHost {
 public:
  enum class Phase { LOADING, READY, FAILED, STOPPING };
  /// Called on the network thread when a load has ended.
  using Loaded = std::function<void(const Result<ModelPointer>& model)>;

  ModelHost(boost::asio::io_context& io, const Settings& settings, ServerLog& log);
  ~ModelHost();
  ModelHost(const ModelHost&) = delete;
  ModelHost& operator=(const ModelHost&) = delete;

  Phase phase() const { return phase_; }
  const std::string& reason() const { return reason_; }
  /// The model for new requests; null before the first load.
  const ModelPointer& current() const { return current_; }
  /// The model. Throws HTTP_NOT_READY.
  const ModelPointer& need() const;
  /// All open models: the current one, and those that finish their requests.
  std::vector<const ServedModel*> live() const;

  /// Loads the model from its path. One load runs at a time; calls during a load share one further load,
  /// because the running one may have read the files already. If a load fails, the current model stays.
  void load(Loaded done);
  /// Ends readiness. Requests that still arrive are served.
  void stopping();
  /// The GPU fails every call from now on.
  void lost(const std::string& message);
  bool is_lost() const { return lost_; }
  bool is_loading() const { return loading_; }
  /// Seconds since 1970 at the start.
  std::int64_t started() const { return started_; }
  /// Closes the models; blocks until the running load has ended.
  void close();
  /// Called with each model that is closed.
  std::function<void(const ServedModel& model, const Counters& counters)> gone;

 private:
  void begin();
  void ended(Result<std::unique_ptr<ServedModel>> result);
  void retire(std::unique_ptr<ServedModel> model);

  boost::asio::io_context& io_;
  const Settings& settings_;
  ServerLog& log_;
  Phase phase_ = Phase::LOADING;
  std::string reason_ = "the model is being loaded";
  ModelPointer current_;
  std::vector<const ServedModel*> live_;
  std::deque<Loaded> waiting_;  // for the running load
  std::deque<Loaded> next_;     // for the one after it
  bool loading_ = false;
  bool lost_ = false;
  const std::int64_t started_;
  std::thread loader_;
  std::list<std::thread> closers_;  // each is joined when it has closed its model
};

}  // namespace tft::server

// What the tests of the engine share: a small model, servers with random inputs, the numbers to expect, and
// an engine over the doubles that must leave nothing behind.
#pragma once
#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "control.h"
#include "formula.h"
#include "plan.h"
#include "tft/engine.h"

namespace tft::testing {

/// Where the doubles lie; TFT_TEST_TENSORRT (10 or 11) chooses the version that a test process runs with.
std::string cuda_double();
std::string tensorrt_double();
std::string tensorrt_double(int major, bool lean = false);
/// A library of plugins for it.
std::string plugins_double();
LoaderOptions doubles_only();

/// A model like the demo's but small, as the doubles are slow under ThreadSanitizer.
doubles::Plan small_plan(const std::vector<std::int64_t>& max_batches = {8}, std::uint32_t seed = 7);
ModelShape shape_of(const doubles::Plan& plan);
std::string bytes_of(const doubles::Plan& plan);
std::span<const std::byte> as_bytes(const std::string& plan);

/// An ONNX file as far as the double of the parser reads one: a plan's tensors, and nodes with these
/// operators, named "node_0", "node_1" …
std::string onnx_of(const doubles::Plan& plan, const std::vector<std::string>& operators = {"Add"});

/// A file of this content, until it is destroyed.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string path;
};

/// Servers with random inputs, and what the model says of them.
class Servers {
 public:
  Servers(const doubles::Plan& plan, int count, std::uint32_t seed);
  Servers(const Servers&) = delete;
  Servers& operator=(const Servers&) = delete;
  /// Points into this.
  Part part();
  /// The first element of `out` that is not as expected, or an empty text.
  std::string difference() const;
  /// Makes the inputs worthless, as a caller may once submit has returned.
  void spoil_inputs();

  const int count;
  std::vector<float> out;  // of the first output

 private:
  // Lists, so that the arrays stay where they are.
  std::list<std::vector<float>> reals_;
  std::list<std::vector<std::int32_t>> codes_;
  std::vector<const void*> inputs_;
  std::vector<std::vector<float>> further_;  // outputs after the first
  std::vector<float*> outputs_;
  std::vector<std::vector<float>> expected_;  // of each output
};

/// Resets the doubles before each test and holds the ledger against the engine after it.
class OverDoubles : public ::testing::Test {
 protected:
  void SetUp() override { double_reset(); }
  void TearDown() override { expect_clean(); }
  static void expect_clean();

  Result<std::unique_ptr<TFTEngine>> load(const doubles::Plan& plan, EngineOptions options = {});
  /// Expects success.
  std::unique_ptr<TFTEngine> loaded(const doubles::Plan& plan, EngineOptions options = {});
};

/// A request's end, awaited.
class Ending {
 public:
  static void receive(RequestId id, const Result<Timing>& result, void* user) noexcept;
  /// Blocks; fails the test rather than hang for ever.
  Result<Timing> wait();
  bool arrived() const;
  /// How many endings came before this one, over all of the process.
  int place() const { return place_; }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int calls_ = 0;
  int place_ = 0;
  Result<Timing> result_ = Error{};
};

/// Requests of the same size, all accepted.
struct Crowd {
  Crowd(TFTEngine& engine, const doubles::Plan& plan, int requests, int batch);
  std::deque<Servers> servers;
  std::deque<Ending> endings;
};

Result<RequestId> submit(TFTEngine& engine, Servers& servers, Ending& ending,
                         Request::Clock::time_point deadline = Request::Clock::time_point::max());

/// "" on success, else the code's name.
template <class T>
std::string code_of(const Result<T>& result) {
  return result.ok() ? "" : std::string(code_name(result.error().code));
}

/// Expects a code that JavaScript knows, and a message.
void check_error(const Error& error);

/// From the environment, so that CI runs a sample and a script thousands.
int rounds(const char* variable, int otherwise);

}  // namespace tft::testing

// Shared by the engine's tests: a small model, series with random inputs, the expected predictions, and a
// fixture that checks that everything in the doubles was freed.
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

/// The major version of TensorRT for RTX.
constexpr int kRtx = 1;

/// The folder of the doubles; TFT_TEST_TENSORRT (10, 11 or kRtx) selects the version for a test process.
std::string cuda_double();
std::string tensorrt_double();
std::string tensorrt_double(int major, bool lean = false);
/// A plugin library for that version.
std::string plugins_double();
std::string plugins_double(int major);
LoaderOptions doubles_only();

/// A model like the demo's, but small because the doubles are slow under ThreadSanitizer.
doubles::Plan small_plan(const std::vector<std::int64_t>& max_batches = {8}, std::uint32_t seed = 7);
ModelShape shape_of(const doubles::Plan& plan);
std::string bytes_of(const doubles::Plan& plan);
std::span<const std::byte> as_bytes(const std::string& plan);

/// An ONNX file with only what the parser's double reads: a plan's tensors, and nodes with these operators,
/// named "node_0", "node_1" …
std::string onnx_of(const doubles::Plan& plan, const std::vector<std::string>& operators = {"Add"});

/// A temporary file with this content; the destructor removes it.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string path;
};

/// Series with random inputs and their expected predictions.
class Series {
 public:
  Series(const doubles::Plan& plan, int count, std::uint32_t seed);
  Series(const Series&) = delete;
  Series& operator=(const Series&) = delete;
  /// A part that points into this object.
  Part part();
  /// Describes the first wrong element of `out`; empty if all are right.
  std::string difference() const;
  /// Overwrites the inputs, as a caller may after submit has returned.
  void spoil_inputs();
  /// Makes the last real of the last series NaN.
  void spoil_last();

  const int count;
  std::vector<float> out;  // of the first output

 private:
  // Lists, so that the arrays do not move.
  std::list<std::vector<float>> reals_;
  std::list<std::vector<std::int32_t>> codes_;
  std::vector<const void*> inputs_;
  std::vector<std::vector<float>> further_;  // outputs after the first
  std::vector<float*> outputs_;
  std::vector<std::vector<float>> expected_;  // of each output
};

/// Resets the doubles before each test and checks their ledger after it.
class OverDoubles : public ::testing::Test {
 protected:
  void SetUp() override { double_reset(); }
  void TearDown() override { expect_clean(); }
  static void expect_clean();

  Result<std::unique_ptr<TFTEngine>> load(const doubles::Plan& plan, EngineOptions options = {});
  /// Loads; expects success.
  std::unique_ptr<TFTEngine> loaded(const doubles::Plan& plan, EngineOptions options = {});
};

/// Waits for a request to end.
class Ending {
 public:
  static void receive(RequestId id, const Result<Timing>& result, void* user) noexcept;
  /// Blocks, with a timeout that fails the test.
  Result<Timing> wait();
  bool arrived() const;
  /// The number of requests in the process that ended before this one.
  int place() const { return place_; }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int calls_ = 0;
  int place_ = 0;
  Result<Timing> result_ = Error{};
};

/// Submits requests of the same size; expects all to be accepted.
struct Crowd {
  Crowd(TFTEngine& engine, const doubles::Plan& plan, int requests, int batch);
  std::deque<Series> series;
  std::deque<Ending> endings;
};

Result<RequestId> submit(TFTEngine& engine, Series& series, Ending& ending,
                         Request::Clock::time_point deadline = Request::Clock::time_point::max());

/// "" on success, else the code's name.
template <class T>
std::string code_of(const Result<T>& result) {
  return result.ok() ? "" : std::string(code_name(result.error().code));
}

/// Expects one of the codes that JavaScript knows, and a message.
void check_error(const Error& error);

/// Reads a number from the environment, so that CI runs a few rounds and a script thousands.
int rounds(const char* variable, int otherwise);

}  // namespace tft::testing

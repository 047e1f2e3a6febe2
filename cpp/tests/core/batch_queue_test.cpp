// The batch queue without lanes, whose part the tests play: which requests share a batch, and how each
// request ends.
#include "engine/batch_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <memory>
#include <random>
#include <thread>

namespace tft {
namespace {

using namespace std::chrono_literals;

// One series: two floats, one code, one float, one code; one prediction.
BatchLayout layout(int max_batch = 4) { return {ItemBytes{{8, 4, 4, 4}, {4}}, max_batch}; }
ModelShape shape() {
  return {{{"encoder_cont", ElementType::FLOAT32, {2}},
           {"encoder_cat", ElementType::INT32, {1}, {1'000'000}},
           {"decoder_cont", ElementType::FLOAT32, {1}},
           {"decoder_cat", ElementType::INT32, {1}, {4}}},
          {{"predictions", ElementType::FLOAT32, {1}}}};
}

/// A request's arrays and its result.
struct Call {
  explicit Call(int first, int batch = 1) {
    for (int series = 0; series < batch; ++series) {
      const auto value = static_cast<float>(first + series);
      encoder_cont.insert(encoder_cont.end(), {value, 0.25F});
      encoder_cat.push_back(first + series);
      decoder_cont.push_back(2 * value);
      decoder_cat.push_back(3);
    }
    out.assign(static_cast<std::size_t>(batch), -1);
  }

  Part part() {
    inputs = DefaultInputs{encoder_cont.data(), encoder_cat.data(), decoder_cont.data(), decoder_cat.data()}
                 .list();
    output = out.data();
    return {inputs, static_cast<int>(out.size()), {&output, 1}};
  }
  static void complete(RequestId, const Result<Timing>& result, void* user) noexcept {
    auto* const call = static_cast<Call*>(user);
    const std::lock_guard lock(call->mutex);
    ++call->completions;
    call->result = result;
    call->ended.notify_all();
  }
  Result<RequestId> submit_to(BatchQueue& queue) {
    const Part own = part();
    Request request;
    request.parts = {&own, 1};
    request.deadline = deadline;
    request.completion = &Call::complete;
    request.user = this;
    request.inputs = memory;
    request.check = check;
    return queue.submit(request);
  }
  void wait() {
    std::unique_lock lock(mutex);
    ended.wait(lock, [this] { return completions > 0; });
  }
  bool over() {
    const std::lock_guard lock(mutex);
    return completions > 0;
  }
  ErrorCode error() {
    wait();
    EXPECT_FALSE(result->ok());
    return result->error().code;
  }
  void expect_right(int first) {
    wait();
    ASSERT_TRUE(result->ok()) << result->error().message;
    for (std::size_t series = 0; series < out.size(); ++series)
      EXPECT_EQ(out[series], 4.0F * static_cast<float>(first + static_cast<int>(series)) + 3.25F);
  }

  std::vector<float> encoder_cont, decoder_cont, out;
  std::vector<std::int32_t> encoder_cat, decoder_cat;
  std::array<const void*, 4> inputs{};
  float* output = nullptr;
  Request::Clock::time_point deadline = Request::Clock::time_point::max();
  InputMemory memory = InputMemory::COPIED;
  bool check = false;
  std::mutex mutex;
  std::condition_variable ended;
  int completions = 0;
  std::optional<Result<Timing>> result;
};

/// Runs a batch as the device would: a prediction is the sum of the series' inputs. Batches have up to four
/// series.
void run(const BatchQueue::Batch& batch) {
  const BatchLayout where = layout();
  std::byte* const block = batch.staging();
  const auto* const encoder_cont = reinterpret_cast<const float*>(block + where.inputs[0].offset);
  const auto* const encoder_cat = reinterpret_cast<const std::int32_t*>(block + where.inputs[1].offset);
  const auto* const decoder_cont = reinterpret_cast<const float*>(block + where.inputs[2].offset);
  const auto* const decoder_cat = reinterpret_cast<const std::int32_t*>(block + where.inputs[3].offset);
  auto* const output = reinterpret_cast<float*>(block + where.outputs[0].offset);
  for (int i = 0; i < batch.series(); ++i)
    output[i] = encoder_cont[2 * i] + encoder_cont[2 * i + 1] + static_cast<float>(encoder_cat[i]) +
                decoder_cont[i] + static_cast<float>(decoder_cat[i]);
}

std::vector<int> series_in(const BatchQueue::Batch& batch) {
  const auto* const codes =
      reinterpret_cast<const std::int32_t*>(batch.staging() + layout().inputs[1].offset);
  return {codes, codes + batch.series()};
}

RunReport report() { return {1, 2, 3, 4, false}; }

class BatchQueueTest : public testing::Test {
 protected:
  /// Makes a queue with `pinned` batches in pinned memory; further batches wait in ordinary memory.
  void open(int lanes = 1, int max_batch = 4, int queue_limit = 1000, int pinned = 8) {
    BatchQueue::Options options;
    options.layout = layout(max_batch);
    options.shape = shape();
    options.max_batch = max_batch;
    options.queue_limit = queue_limit;
    options.lanes = lanes;
    for (int i = 0; i < pinned + 2 * lanes; ++i) {
      memory_.emplace_back(options.layout.bytes);
      (i < pinned ? options.pinned : options.bounce_buffers).push_back(memory_.back().data());
    }
    queue_ = std::make_unique<BatchQueue>(std::move(options));
  }
  BatchQueue& queue() { return *queue_; }

  /// Gives lane 0 a request to run, so that the following requests wait.
  void keep_busy() {
    ASSERT_TRUE(blocker_.submit_to(queue()));
    running_ = queue().wait(0);
    ASSERT_EQ(series_in(*running_), std::vector<int>{1000});
  }
  /// Ends the batch that lane 0 runs; returns the next one, or null.
  BatchQueue::Batch* step(const Result<RunReport>& result = report()) {
    if (result.ok()) run(*running_);
    BatchQueue::Batch* const ended = running_;
    running_ = queue().next(0, ended);
    queue().deliver(ended, result);
    return running_;
  }
  /// Runs everything that waits; returns the series of each batch.
  std::vector<std::vector<int>> drain() {
    std::vector<std::vector<int>> batches;
    while (step() != nullptr) batches.push_back(series_in(*running_));
    return batches;
  }

  std::vector<std::vector<std::byte>> memory_;
  std::unique_ptr<BatchQueue> queue_;
  Call blocker_{1000};
  BatchQueue::Batch* running_ = nullptr;
};

using Batches = std::vector<std::vector<int>>;

TEST_F(BatchQueueTest, WaitsForLanesThatStartLate) {
  open(2, 4, 1);
  std::atomic<int> started = 0;
  std::vector<std::thread> lanes;
  for (int number = 0; number < 2; ++number)
    lanes.emplace_back([&, number] {
      std::this_thread::sleep_for(10ms * (number + 1));
      ++started;
      if (BatchQueue::Batch* const batch = queue().wait(number)) {
        run(*batch);
        queue().next(number, batch);
        queue().deliver(batch, report());
      }
    });
  queue().await_lanes();
  EXPECT_EQ(started, 2);
  Call calls[] = {Call(1), Call(2)};
  // The limit is on what waits: each lane takes one at once.
  for (Call& call : calls) EXPECT_TRUE(call.submit_to(queue()).ok());
  calls[0].expect_right(1);
  calls[1].expect_right(2);
  for (std::thread& lane : lanes) lane.join();
}

TEST_F(BatchQueueTest, ARequestThatFindsTheLaneIdleRunsAlone) {
  open();
  Call call(7);
  ASSERT_TRUE(call.submit_to(queue()));
  running_ = queue().wait(0);
  EXPECT_EQ(series_in(*running_), std::vector<int>{7});
  EXPECT_EQ(step(), nullptr);
  call.expect_right(7);
  EXPECT_EQ((*call.result)->batch, 1);
  EXPECT_EQ((*call.result)->bucket, 4);
}

TEST_F(BatchQueueTest, RequestsShareBatchesInOrderOfArrivalWhileTheLaneIsBusy) {
  open();
  keep_busy();
  Call a(1), b(2, 2), c(4), d(5);
  for (Call* const call : {&a, &b, &c, &d}) ASSERT_TRUE(call->submit_to(queue()));
  EXPECT_EQ(queue().counters().waiting_series, 5U);
  EXPECT_EQ(drain(), (Batches{{1, 2, 3, 4}, {5}}));
  a.expect_right(1), b.expect_right(2), c.expect_right(4), d.expect_right(5);
  EXPECT_EQ(queue().counters().waiting_series, 0U);
}

TEST_F(BatchQueueTest, ARequestIsNotSplitToFillABatch) {
  open();
  keep_busy();
  Call a(1, 3), b(4, 2), c(6);
  for (Call* const call : {&a, &b, &c}) ASSERT_TRUE(call->submit_to(queue()));
  EXPECT_EQ(drain(), (Batches{{1, 2, 3}, {4, 5, 6}}));
}

TEST_F(BatchQueueTest, SmallRequestsTakeTurnsWithTheBatchesOfALargeOne) {
  open();
  keep_busy();
  Call large(100, 11), a(1), b(2);
  ASSERT_TRUE(large.submit_to(queue()));
  ASSERT_TRUE(a.submit_to(queue()));
  // The large one came first, so its first batch runs before a and b, and the others after them.
  EXPECT_EQ(series_in(*step()), (std::vector<int>{100, 101, 102, 103}));
  ASSERT_TRUE(b.submit_to(queue()));
  EXPECT_EQ(drain(), (Batches{{1, 2}, {104, 105, 106, 107}, {108, 109, 110}}));
  large.expect_right(100), a.expect_right(1), b.expect_right(2);
}

TEST_F(BatchQueueTest, BorrowedInputsAreReadWhenTheirBatchRuns) {
  open(1, 4, 1000, 0);  // all batches wait in ordinary memory
  keep_busy();
  Call copied(1), borrowed(2), revocable(3), later(4, 2);
  borrowed.memory = later.memory = InputMemory::BORROWED;
  revocable.memory = InputMemory::REVOCABLE;
  for (Call* const call : {&copied, &borrowed, &revocable, &later}) ASSERT_TRUE(call->submit_to(queue()));
  copied.encoder_cat[0] = borrowed.encoder_cat[0] = revocable.encoder_cat[0] = 9;
  EXPECT_EQ(drain(), (Batches{{1, 9, 9}, {4, 5}}));
  copied.expect_right(1), later.expect_right(4);
}

TEST_F(BatchQueueTest, ABadValueInBorrowedInputsFailsItsOwnRequestOnly) {
  open();
  keep_busy();
  Call a(1), bad(2), worse(3, 2), b(5);
  bad.memory = worse.memory = b.memory = InputMemory::REVOCABLE;
  bad.encoder_cont[1] = std::numeric_limits<float>::quiet_NaN();
  worse.decoder_cat[1] = 4;
  for (Call* const call : {&a, &bad, &b, &worse}) ASSERT_TRUE(call->submit_to(queue()));
  EXPECT_EQ(drain(), (Batches{{1, 5}}));
  a.expect_right(1), b.expect_right(5);
  EXPECT_EQ(bad.error(), ErrorCode::INPUT_VALUE);
  EXPECT_EQ(bad.result->error().bad_value->input, 0);
  EXPECT_EQ(bad.result->error().bad_value->index, 1U);
  EXPECT_EQ(worse.error(), ErrorCode::INPUT_VALUE);
  EXPECT_EQ(worse.result->error().bad_value->input, 3);
  EXPECT_EQ(worse.result->error().bad_value->index, 1U);
  EXPECT_EQ(worse.result->error().bad_value->value, 4);
  const Counters counters = queue().counters();
  EXPECT_EQ(counters.failed, 2U);
  EXPECT_EQ(counters.series, 3U);
  EXPECT_EQ(counters.running_batches, 0U);
}

TEST_F(BatchQueueTest, ACheckedRequestWithABadValueIsRefusedWithTheFirstOne) {
  open();
  keep_busy();
  Call a(1), bad(10, 9), good(2), large(100, 9), unchecked(3);
  for (Call* const call : {&a, &bad, &good, &large}) call->check = true;
  bad.decoder_cat[1] = 4;  // in the first of three batches
  bad.encoder_cont[16] =
      std::numeric_limits<float>::quiet_NaN();  // in the last one, but in an earlier tensor
  unchecked.decoder_cat[0] = 4;
  ASSERT_TRUE(a.submit_to(queue()));
  const Result<RequestId> refused = bad.submit_to(queue());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::INPUT_VALUE);
  EXPECT_EQ(refused.error().bad_value->input, 0);
  EXPECT_EQ(refused.error().bad_value->index, 16U);
  for (Call* const call : {&good, &large, &unchecked}) ASSERT_TRUE(call->submit_to(queue()));
  large.encoder_cat[0] = 9;  // it was copied
  const Batches run = drain();
  a.expect_right(1), good.expect_right(2), large.expect_right(100);
  EXPECT_EQ(bad.completions, 0);
  for (const auto& batch : run) EXPECT_EQ(std::count(batch.begin(), batch.end(), 10), 0);
  EXPECT_EQ(queue().counters().waiting_series, 0);
}

TEST_F(BatchQueueTest, ABatchWithBadInputsOnlyIsNotRun) {
  open();
  Call bad(1), large(10, 9), good(2);
  bad.memory = large.memory = good.memory = InputMemory::BORROWED;
  bad.decoder_cat[0] = -1;
  ASSERT_TRUE(bad.submit_to(queue()));
  std::thread lane([this] { running_ = queue().wait(0); });
  EXPECT_EQ(bad.error(), ErrorCode::INPUT_VALUE);
  large.decoder_cat[5] = -1;  // in the second of three batches
  ASSERT_TRUE(large.submit_to(queue()));
  lane.join();
  EXPECT_EQ(series_in(*running_), (std::vector<int>{10, 11, 12, 13}));
  ASSERT_TRUE(good.submit_to(queue()));
  EXPECT_EQ(drain(), (Batches{{2}}));
  good.expect_right(2);
  EXPECT_EQ(large.error(), ErrorCode::INPUT_VALUE);
  EXPECT_EQ(large.completions, 1);
}

TEST_F(BatchQueueTest, ACancelledRequestsBorrowedInputsAreNotRead) {
  open();
  keep_busy();
  auto gone = std::make_unique<Call>(1);
  gone->memory = InputMemory::BORROWED;
  const auto id = gone->submit_to(queue());
  ASSERT_TRUE(id);
  EXPECT_TRUE(queue().cancel(*id));
  EXPECT_EQ(gone->error(), ErrorCode::ABORTED);
  gone.reset();
  Call next(2);
  ASSERT_TRUE(next.submit_to(queue()));
  EXPECT_EQ(drain(), (Batches{{2}}));
  next.expect_right(2);
}

TEST_F(BatchQueueTest, TwoLargeRequestsAndTheSmallOnesAreServedInTurn) {
  open();
  keep_busy();
  Call x(100, 8), y(200, 8), a(1, 3), b(4, 3);
  for (Call* const call : {&x, &y, &a, &b}) ASSERT_TRUE(call->submit_to(queue()));
  EXPECT_EQ(drain(), (Batches{{100, 101, 102, 103},
                              {200, 201, 202, 203},
                              {1, 2, 3},
                              {104, 105, 106, 107},
                              {204, 205, 206, 207},
                              {4, 5, 6}}));
  x.expect_right(100), y.expect_right(200), a.expect_right(1), b.expect_right(4);
}

TEST_F(BatchQueueTest, IdleLanesShareOneLargeRequest) {
  open(2);
  Call large(100, 8);
  ASSERT_TRUE(large.submit_to(queue()));
  BatchQueue::Batch* const first = queue().wait(0);
  BatchQueue::Batch* const second = queue().wait(1);
  EXPECT_EQ(series_in(*first), (std::vector<int>{100, 101, 102, 103}));
  EXPECT_EQ(series_in(*second), (std::vector<int>{104, 105, 106, 107}));
  for (BatchQueue::Batch* const batch : {second, first}) {
    run(*batch);
    EXPECT_EQ(queue().next(batch == first ? 0 : 1, batch), nullptr);
    queue().deliver(batch, report());
  }
  large.expect_right(100);
  EXPECT_EQ(large.completions, 1);
}

TEST_F(BatchQueueTest, TheLimitIsOnWaitingSeriesAndTheErrorSaysHowManyThereAre) {
  open(1, 4, 6);
  keep_busy();
  Call a(1, 3), b(4, 3), c(7);
  ASSERT_TRUE(a.submit_to(queue()));
  ASSERT_TRUE(b.submit_to(queue()));
  const auto refused = c.submit_to(queue());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::QUEUE_FULL);
  EXPECT_NE(refused.error().message.find("6 series are waiting and 1 more would exceed the limit of 6"),
            std::string::npos);
  EXPECT_EQ(queue().counters().refused, 1U);
  drain();
  EXPECT_FALSE(c.over());
}

TEST_F(BatchQueueTest, ALargeRequestIsAcceptedWheneverNothingWaits) {
  open(1, 4, 6);
  keep_busy();
  Call large(100, 50), a(1);
  ASSERT_TRUE(large.submit_to(queue()));
  EXPECT_FALSE(a.submit_to(queue()));
  drain();
  large.expect_right(100);
}

TEST_F(BatchQueueTest, BatchesBeyondThePinnedOnesWaitInOrdinaryMemory) {
  open(1, 4, 1000, 1);
  keep_busy();
  Call large(100, 41), a(1, 2), b(3, 2), c(5, 2);
  for (Call* const call : {&large, &a, &b, &c}) ASSERT_TRUE(call->submit_to(queue()));
  drain();
  large.expect_right(100), a.expect_right(1), b.expect_right(3), c.expect_right(5);
}

TEST_F(BatchQueueTest, TheCallersArraysMayBeReusedAfterSubmit) {
  open();
  keep_busy();
  Call call(5, 3);
  ASSERT_TRUE(call.submit_to(queue()));
  std::fill(call.encoder_cont.begin(), call.encoder_cont.end(), -9);
  std::fill(call.decoder_cat.begin(), call.decoder_cat.end(), -9);
  drain();
  call.expect_right(5);
}

TEST_F(BatchQueueTest, AListOfPartsIsOneRequestAndMayBeSplitIntoBatches) {
  open();
  keep_busy();
  Call a(10, 3), b(20, 1), c(30, 6);
  const std::vector<Part> parts = {a.part(), b.part(), c.part()};
  Call ended(0);
  Request request;
  request.parts = parts;
  request.completion = &Call::complete;
  request.user = &ended;
  ASSERT_TRUE(queue().submit(request));
  EXPECT_EQ(drain(), (Batches{{10, 11, 12, 20}, {30, 31, 32, 33}, {34, 35}}));
  ended.wait();
  EXPECT_EQ(a.out, (std::vector<float>{43.25F, 47.25F, 51.25F}));
  EXPECT_EQ(b.out, (std::vector<float>{83.25F}));
  EXPECT_EQ(c.out.back(), 4 * 35 + 3.25F);
}

TEST_F(BatchQueueTest, BadRequestsAreRefusedAtOnce) {
  open();
  Call call(1);
  Request request;
  EXPECT_EQ(queue().submit(request).error().code, ErrorCode::OPTION);
  for (int what = 0; what < 6; ++what) {
    Part part = call.part();
    if (what == 0) part.batch = 0;
    if (what == 1) call.output = nullptr;
    if (what >= 2) call.inputs[static_cast<std::size_t>(what - 2)] = nullptr;
    request.parts = {&part, 1};
    EXPECT_EQ(queue().submit(request).error().code, ErrorCode::OPTION);
  }
}

TEST_F(BatchQueueTest, ACancelledRequestNeverRunsAndLeavesNoGapInItsBatch) {
  open();
  keep_busy();
  Call a(1), b(2), c(3, 2);
  ASSERT_TRUE(a.submit_to(queue()));
  const auto id = b.submit_to(queue());
  ASSERT_TRUE(c.submit_to(queue()));
  EXPECT_TRUE(queue().cancel(*id));
  EXPECT_EQ(b.error(), ErrorCode::ABORTED);
  EXPECT_FALSE(queue().cancel(*id));
  EXPECT_EQ(drain(), (Batches{{1, 3, 4}}));
  a.expect_right(1), c.expect_right(3);
  EXPECT_EQ(b.completions, 1);
  EXPECT_EQ(b.out, std::vector<float>{-1});
}

TEST_F(BatchQueueTest, ARequestCancelledWhileItRunsEndsAtOnceAndItsOutputIsNotWritten) {
  open();
  keep_busy();
  Call large(100, 9);
  const auto id = large.submit_to(queue());
  ASSERT_NE(step(), nullptr);
  EXPECT_TRUE(queue().cancel(*id));
  EXPECT_EQ(large.error(), ErrorCode::ABORTED);
  EXPECT_EQ(drain(), Batches{});
  EXPECT_EQ(large.completions, 1);
  EXPECT_EQ(large.out, std::vector<float>(9, -1));
}

TEST_F(BatchQueueTest, ARequestEndsAtItsDeadlineEvenIfTheLaneIsBusy) {
  open();
  keep_busy();
  Call late(1), a(2);
  late.deadline = Request::Clock::now() + 5ms;
  ASSERT_TRUE(late.submit_to(queue()));
  ASSERT_TRUE(a.submit_to(queue()));
  EXPECT_EQ(late.error(), ErrorCode::DEADLINE);
  EXPECT_EQ(drain(), Batches{{2}});
  EXPECT_EQ(queue().counters().expired, 1U);
}

TEST_F(BatchQueueTest, ADeadlineThatPassedBeforeSubmitIsMissedEvenIfALaneIsIdle) {
  open();
  Call late(1), a(2);
  late.deadline = Request::Clock::now() - 1ms;
  ASSERT_TRUE(late.submit_to(queue()));
  EXPECT_EQ(late.error(), ErrorCode::DEADLINE);
  ASSERT_TRUE(a.submit_to(queue()));
  running_ = queue().wait(0);
  EXPECT_EQ(series_in(*running_), std::vector<int>{2});
  drain();
}

TEST_F(BatchQueueTest, ADeadlineDoesNotStopARunningRequest) {
  open();
  keep_busy();
  Call large(100, 8);
  large.deadline = Request::Clock::now() + 20ms;
  ASSERT_TRUE(large.submit_to(queue()));
  ASSERT_NE(step(), nullptr);
  std::this_thread::sleep_until(large.deadline + 5ms);
  drain();
  large.expect_right(100);
}

TEST_F(BatchQueueTest, AFailedRunFailsItsRequestsOnly) {
  open();
  keep_busy();
  Call a(1, 4), large(100, 8), b(5);
  for (Call* const call : {&a, &large, &b}) ASSERT_TRUE(call->submit_to(queue()));
  EXPECT_EQ(series_in(*step()), (std::vector<int>{100, 101, 102, 103}));
  EXPECT_EQ(series_in(*step(Error{ErrorCode::RUN, "broken"})), (std::vector<int>{1, 2, 3, 4}));
  // The failed request's other batch does not run.
  EXPECT_EQ(drain(), Batches{{5}});
  a.expect_right(1), b.expect_right(5);
  EXPECT_EQ(large.error(), ErrorCode::RUN);
  EXPECT_EQ(large.result->error().message, "broken");
  EXPECT_EQ(large.completions, 1);
}

TEST_F(BatchQueueTest, ALostDeviceFailsWaitingAndNewRequests) {
  open();
  keep_busy();
  Call a(1), large(100, 9), late(5);
  ASSERT_TRUE(a.submit_to(queue()));
  ASSERT_TRUE(large.submit_to(queue()));
  const Error lost{ErrorCode::DEVICE_LOST, "gone"};
  queue().lose(lost);
  EXPECT_EQ(a.error(), ErrorCode::DEVICE_LOST);
  EXPECT_EQ(large.error(), ErrorCode::DEVICE_LOST);
  EXPECT_EQ(late.submit_to(queue()).error().code, ErrorCode::DEVICE_LOST);
  EXPECT_EQ(step(lost), nullptr);
  EXPECT_EQ(blocker_.error(), ErrorCode::DEVICE_LOST);
  queue().close();
}

TEST_F(BatchQueueTest, CloseLetsAcceptedRequestsFinishAndRefusesNewOnes) {
  open();
  keep_busy();
  Call a(1), large(100, 9);
  ASSERT_TRUE(a.submit_to(queue()));
  ASSERT_TRUE(large.submit_to(queue()));
  std::thread closer([this] { queue().close(); });
  std::vector<std::unique_ptr<Call>> before;
  while (true) {
    auto call = std::make_unique<Call>(5);
    const auto id = call->submit_to(queue());
    if (!id) {
      EXPECT_EQ(id.error().code, ErrorCode::CLOSED);
      break;
    }
    before.push_back(std::move(call));
    std::this_thread::sleep_for(1ms);
  }
  drain();
  closer.join();
  for (const auto& call : before) call->expect_right(5);
  a.expect_right(1), large.expect_right(100);
  EXPECT_EQ(queue().wait(0), nullptr);
}

TEST_F(BatchQueueTest, ACallersOwnThreadRunsOnAnIdleLane) {
  open();
  std::thread lane([this] { EXPECT_EQ(queue().wait(0), nullptr); });
  std::optional<BatchQueue::Lease> lease;
  while (!lease) lease = *queue().try_lease(2);
  EXPECT_FALSE(queue().try_lease(1)->has_value());
  Call call(5, 2);
  const Part part = call.part();
  EXPECT_FALSE(queue().fill(*lease, {&part, 1}, 2, true));
  run(*lease->batch);
  copy_out(layout(), {&part, 1}, 0, 2, lease->batch->staging(), 0, queue().helpers());
  EXPECT_EQ(call.out, (std::vector<float>{23.25F, 27.25F}));
  const Result<RunReport> result = report();
  queue().end_lease(*lease, 2, &result);
  EXPECT_EQ(queue().counters().succeeded, 1U);
  EXPECT_EQ(queue().counters().batch_sizes[2], 1U);
  queue().close();
  lane.join();
}

TEST_F(BatchQueueTest, ALaneThatAlwaysHasWorkIsStillLeasedToAWaitingCaller) {
  open();
  keep_busy();
  std::thread warming([&] {
    const auto lease = queue().lease_lane(0);
    EXPECT_TRUE(lease);
    if (lease) queue().end_lease(*lease, 0, nullptr);
  });
  // However many requests arrive, the lane finally takes no more of them.
  std::vector<std::unique_ptr<Call>> calls;
  do {
    calls.push_back(std::make_unique<Call>(1, 4));
    ASSERT_TRUE(calls.back()->submit_to(queue()));
    std::this_thread::yield();
  } while (step() != nullptr);
  running_ = queue().wait(0);
  warming.join();
  drain();
  for (const auto& call : calls) call->expect_right(1);
}

TEST_F(BatchQueueTest, RequestsOfManyThreadsEachEndOnceWithTheRightResult) {
  constexpr int kLanes = 3;
  constexpr int kThreads = 4;
  constexpr int kRequests = 400;
  open(kLanes, 4, 60, 2);
  std::vector<std::thread> lanes;
  for (int number = 0; number < kLanes; ++number) {
    lanes.emplace_back([this, number] {
      std::mt19937 random(static_cast<unsigned>(number));
      BatchQueue::Batch* batch = nullptr;
      while (true) {
        if (batch == nullptr) batch = queue().wait(number);
        if (batch == nullptr) return;
        run(*batch);
        if (random() % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 200));
        BatchQueue::Batch* const next = queue().next(number, batch);
        const bool fails = random() % 16 == 0;
        queue().deliver(batch, fails ? Result<RunReport>(Error{ErrorCode::RUN, "by chance"}) : report());
        batch = next;
      }
    });
  }
  std::atomic<int> accepted = 0;
  std::vector<std::thread> callers;
  for (int thread = 0; thread < kThreads; ++thread) {
    callers.emplace_back([&, thread] {
      std::mt19937 random(static_cast<unsigned>(100 + thread));
      std::vector<std::pair<int, std::unique_ptr<Call>>> calls;
      for (int i = 0; i < kRequests; ++i) {
        const int first = static_cast<int>(random() % 100000);
        const int batch = static_cast<int>(random() % 10 == 0 ? 1 + random() % 20 : 1 + random() % 3);
        auto call = std::make_unique<Call>(first, batch);
        if (random() % 5 == 0)
          call->deadline = Request::Clock::now() + std::chrono::microseconds(random() % 500);
        if (random() % 2 == 0) call->memory = random() % 2 ? InputMemory::BORROWED : InputMemory::REVOCABLE;
        const bool bad = call->memory != InputMemory::COPIED && random() % 8 == 0;
        if (bad) call->decoder_cat.back() = 4;
        const auto id = call->submit_to(queue());
        if (!id) {
          EXPECT_EQ(id.error().code, ErrorCode::QUEUE_FULL);
          std::this_thread::yield();
          continue;
        }
        ++accepted;
        if (random() % 6 == 0) (void)queue().cancel(*id);
        calls.emplace_back(bad ? -1 : first, std::move(call));
      }
      for (auto& [first, call] : calls) {
        call->wait();
        if (call->result->ok()) call->expect_right(first);  // requests with a bad value never succeed
      }
      for (auto& [first, call] : calls) EXPECT_EQ(call->completions, 1);
    });
  }
  for (std::thread& caller : callers) caller.join();
  queue().close();
  for (std::thread& lane : lanes) lane.join();
  const Counters counters = queue().counters();
  EXPECT_EQ(counters.accepted, static_cast<std::uint64_t>(accepted));
  EXPECT_EQ(counters.accepted, counters.succeeded + counters.failed + counters.cancelled + counters.expired);
  EXPECT_GT(counters.succeeded, 0U);
  EXPECT_EQ(counters.waiting_series, 0U);
  EXPECT_EQ(counters.running_batches, 0U);
}

}  // namespace
}  // namespace tft

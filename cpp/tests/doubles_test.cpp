// The doubles themselves: what they are there to notice they must notice, or the tests over them prove
// nothing. Built once for each major version of TensorRT.
#include <NvInferRuntime.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "control.h"
#include "cuda_abi.h"
#include "formula.h"
#include "plan.h"

extern "C" {
CUresult cuInit(unsigned);
CUresult cuDevicePrimaryCtxRetain(CUcontext*, CUdevice);
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice);
CUresult cuCtxPushCurrent_v2(CUcontext);
CUresult cuCtxPopCurrent_v2(CUcontext*);
CUresult cuMemGetInfo_v2(std::size_t*, std::size_t*);
CUresult cuMemAlloc_v2(CUdeviceptr*, std::size_t);
CUresult cuMemFree_v2(CUdeviceptr);
CUresult cuMemHostAlloc(void**, std::size_t, unsigned);
CUresult cuMemFreeHost(void*);
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr, const void*, std::size_t, CUstream);
CUresult cuMemcpyDtoHAsync_v2(void*, CUdeviceptr, std::size_t, CUstream);
CUresult cuStreamCreate(CUstream*, unsigned);
CUresult cuStreamDestroy_v2(CUstream);
CUresult cuStreamSynchronize(CUstream);
CUresult cuStreamBeginCapture_v2(CUstream, unsigned);
CUresult cuStreamEndCapture(CUstream, CUgraph*);
CUresult cuGraphInstantiateWithFlags(CUgraphExec*, CUgraph, unsigned long long);
CUresult cuGraphLaunch(CUgraphExec, CUstream);
CUresult cuGraphDestroy(CUgraph);
CUresult cuGraphExecDestroy(CUgraphExec);
CUresult cuEventCreate(CUevent*, unsigned);
CUresult cuEventDestroy_v2(CUevent);
CUresult cuEventRecord(CUevent, CUstream);
CUresult cuEventSynchronize(CUevent);
CUresult cuEventQuery(CUevent);
CUresult cuEventElapsedTime(float*, CUevent, CUevent);
}

namespace {

struct Logger : nvinfer1::ILogger {
  std::string errors;
  void log(Severity severity, const char* text) noexcept override {
    if (severity <= Severity::kERROR) errors += std::string(text) + "\n";
  }
};

/// A device with a current context and a stream.
class Doubles : public testing::Test {
 protected:
  void SetUp() override {
    double_reset();
    ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
    ASSERT_EQ(cuDevicePrimaryCtxRetain(&context, 0), CUDA_SUCCESS);
    ASSERT_EQ(cuCtxPushCurrent_v2(context), CUDA_SUCCESS);
    ASSERT_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  }
  void TearDown() override {
    cuStreamDestroy_v2(stream);
    cuCtxPopCurrent_v2(nullptr);
    cuDevicePrimaryCtxRelease_v2(0);
    EXPECT_EQ(double_created("*"), double_freed("*")) << double_violation_text();
  }

  CUdeviceptr device(std::size_t bytes) {
    CUdeviceptr pointer = 0;
    EXPECT_EQ(cuMemAlloc_v2(&pointer, bytes), CUDA_SUCCESS);
    return pointer;
  }
  template <class T>
  T* pinned(std::size_t count) {
    void* pointer = nullptr;
    EXPECT_EQ(cuMemHostAlloc(&pointer, count * sizeof(T), 0), CUDA_SUCCESS);
    return static_cast<T*>(pointer);
  }

  CUcontext context = nullptr;
  CUstream stream = nullptr;
};

TEST_F(Doubles, ResultsAreThereOnlyAfterSynchronizing) {
  double_set("copy_us", 20000);
  const CUdeviceptr there = device(4);
  auto* const from = pinned<std::int32_t>(1);
  auto* const to = pinned<std::int32_t>(1);
  *from = 42;
  *to = 7;
  ASSERT_EQ(cuMemcpyHtoDAsync_v2(there, from, 4, stream), CUDA_SUCCESS);
  ASSERT_EQ(cuMemcpyDtoHAsync_v2(to, there, 4, stream), CUDA_SUCCESS);
  EXPECT_EQ(*to, -1) << "poisoned until the copy has run";
  ASSERT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
  EXPECT_EQ(*to, 42);
  cuMemFree_v2(there);
  cuMemFreeHost(from);
  cuMemFreeHost(to);
  EXPECT_EQ(double_violations(), 0);
}

TEST_F(Doubles, EventsAreReachedInTheStreamsTime) {
  double_set("copy_us", 20000);
  CUevent begin = nullptr;
  CUevent end = nullptr;
  cuEventCreate(&begin, 0);
  cuEventCreate(&end, 0);
  const CUdeviceptr there = device(4);
  auto* const from = pinned<std::int32_t>(1);
  cuEventRecord(begin, stream);
  cuMemcpyHtoDAsync_v2(there, from, 4, stream);
  cuEventRecord(end, stream);
  EXPECT_EQ(cuEventQuery(end), CUDA_ERROR_NOT_READY);
  EXPECT_EQ(cuEventSynchronize(end), CUDA_SUCCESS);
  float milliseconds = 0;
  EXPECT_EQ(cuEventElapsedTime(&milliseconds, begin, end), CUDA_SUCCESS);
  EXPECT_GE(milliseconds, 20);
  cuEventDestroy_v2(begin);
  cuEventDestroy_v2(end);
  cuMemFree_v2(there);
  cuMemFreeHost(from);
}

TEST_F(Doubles, MemoryEndsWhereTheSettingSays) {
  double_set("memory", 1000);
  const CUdeviceptr first = device(600);
  CUdeviceptr second = 0;
  EXPECT_EQ(cuMemAlloc_v2(&second, 600), CUDA_ERROR_OUT_OF_MEMORY);
  std::size_t free = 0;
  std::size_t total = 0;
  EXPECT_EQ(cuMemGetInfo_v2(&free, &total), CUDA_SUCCESS);
  EXPECT_EQ(free, 400u);
  EXPECT_EQ(total, 1000u);
  cuMemFree_v2(first);
}

TEST_F(Doubles, TheNthCallFails) {
  double_fail("cuMemAlloc_v2", 2, CUDA_ERROR_OUT_OF_MEMORY);
  const CUdeviceptr first = device(8);
  CUdeviceptr second = 0;
  EXPECT_EQ(cuMemAlloc_v2(&second, 8), CUDA_ERROR_OUT_OF_MEMORY);
  const CUdeviceptr third = device(8);
  EXPECT_EQ(double_faults_fired(), 1);
  EXPECT_EQ(double_calls("cuMemAlloc_v2"), 3);
  cuMemFree_v2(first);
  cuMemFree_v2(third);
}

TEST_F(Doubles, AnErrorOnTheStreamLosesTheDevice) {
  double_fail("run:copy", 1, CUDA_ERROR_ILLEGAL_ADDRESS);
  const CUdeviceptr there = device(4);
  auto* const from = pinned<std::int32_t>(1);
  EXPECT_EQ(cuMemcpyHtoDAsync_v2(there, from, 4, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_ERROR_ILLEGAL_ADDRESS);
  CUdeviceptr more = 0;
  EXPECT_EQ(cuMemAlloc_v2(&more, 4), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(cuMemFree_v2(there), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(cuMemFreeHost(from), CUDA_ERROR_ILLEGAL_ADDRESS);
}

TEST_F(Doubles, MisuseIsAViolation) {
  const CUdeviceptr there = device(4);
  auto* const from = pinned<std::int32_t>(2);
  std::int32_t pageable = 0;
  cuMemcpyHtoDAsync_v2(there, &pageable, 4, stream);
  EXPECT_EQ(double_violations(), 1) << "pageable";
  EXPECT_EQ(cuMemcpyHtoDAsync_v2(there, from, 8, stream), CUDA_ERROR_INVALID_VALUE) << "too long";
  EXPECT_EQ(cuMemcpyHtoDAsync_v2(there, from, 4, nullptr), CUDA_ERROR_INVALID_HANDLE) << "default stream";
  std::thread([&] {
    EXPECT_EQ(cuMemcpyHtoDAsync_v2(there, from, 4, stream), CUDA_ERROR_INVALID_CONTEXT) << "no context here";
  }).join();
  EXPECT_EQ(double_violations(), 4);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);

  double_set("copy_us", 20000);
  cuMemcpyHtoDAsync_v2(there, from, 4, stream);
  cuMemFree_v2(there);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_ERROR_ILLEGAL_ADDRESS) << "freed while in use";
  EXPECT_EQ(double_violations(), 5) << double_violation_text();
  cuMemFreeHost(from);
}

TEST_F(Doubles, AnAllocationWhileCapturingInvalidatesTheCapture) {
  ASSERT_EQ(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), CUDA_SUCCESS);
  CUdeviceptr there = 0;
  EXPECT_EQ(cuMemAlloc_v2(&there, 4), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  std::thread([&] {
    cuCtxPushCurrent_v2(context);
    CUdeviceptr other = 0;
    EXPECT_EQ(cuMemAlloc_v2(&other, 4), CUDA_SUCCESS) << "a thread-local capture binds its own thread only";
    cuMemFree_v2(other);
    cuCtxPopCurrent_v2(nullptr);
  }).join();
  CUgraph graph = nullptr;
  EXPECT_EQ(cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  EXPECT_EQ(graph, nullptr);
}

/// The above and an engine from a plan, driven with TensorRT's own headers.
class TensorRTDouble : public Doubles {
 protected:
  void SetUp() override {
    Doubles::SetUp();
    library = dlopen(TFT_DOUBLE_NVINFER, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library, nullptr) << dlerror();
    runtime.reset(create_runtime());
    ASSERT_NE(runtime, nullptr);
    plan.tensors = {
        {"a", true, "float32", {-1, 3}}, {"b", true, "int32", {-1, 2}}, {"y", false, "float32", {-1, 2}}};
    plan.profiles = {{{"a", {{{1, 3}, {2, 3}, {4, 3}}}}, {"b", {{{1, 2}, {2, 2}, {4, 2}}}}}};
  }
  void TearDown() override {
    execution.reset();
    engine.reset();
    runtime.reset();
    for (const CUdeviceptr pointer : {a, b, y, activation}) cuMemFree_v2(pointer);
    for (void* pointer :
         {static_cast<void*>(host_a), static_cast<void*>(host_b), static_cast<void*>(host_y)}) {
      if (pointer != nullptr) cuMemFreeHost(pointer);
    }
    Doubles::TearDown();
  }

  nvinfer1::IRuntime* create_runtime() {
    const auto create =
        reinterpret_cast<void* (*)(void*, std::int32_t)>(dlsym(library, "createInferRuntime_INTERNAL"));
    const auto version = reinterpret_cast<std::int32_t (*)()>(dlsym(library, "getInferLibVersion"));
    return static_cast<nvinfer1::IRuntime*>(create(&logger, version()));
  }

  nvinfer1::ICudaEngine* deserialize(const std::string& text) {
    return runtime->deserializeCudaEngine(text.data(), text.size());
  }

  /// An execution context for `rows` rows, with everything that it needs.
  void prepare(int rows) {
    engine.reset(deserialize(doubles::write_plan(plan)));
    ASSERT_NE(engine, nullptr) << logger.errors;
    execution.reset(
        engine->createExecutionContext(nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED));
    ASSERT_NE(execution, nullptr);
    a = device(4 * 3 * 4);
    b = device(4 * 2 * 4);
    y = device(4 * 2 * 4);
    const auto bytes = static_cast<std::size_t>(engine->getDeviceMemorySizeV2());
    activation = device(bytes);
    host_a = pinned<float>(12);
    host_b = pinned<std::int32_t>(8);
    host_y = pinned<float>(8);
    for (int i = 0; i < 12; ++i) host_a[i] = 0.25f * static_cast<float>(i) - 1;
    for (int i = 0; i < 8; ++i) host_b[i] = 3 * i;
    execution->setDeviceMemoryV2(pointer(activation), static_cast<std::int64_t>(bytes));
    EXPECT_TRUE(execution->setInputShape("a", nvinfer1::Dims2{rows, 3}));
    EXPECT_TRUE(execution->setInputShape("b", nvinfer1::Dims2{rows, 2}));
    EXPECT_TRUE(execution->setTensorAddress("a", pointer(a)));
    EXPECT_TRUE(execution->setTensorAddress("b", pointer(b)));
    EXPECT_TRUE(execution->setTensorAddress("y", pointer(y)));
  }
  void copy_in() {
    EXPECT_EQ(cuMemcpyHtoDAsync_v2(a, host_a, 48, stream), CUDA_SUCCESS);
    EXPECT_EQ(cuMemcpyHtoDAsync_v2(b, host_b, 32, stream), CUDA_SUCCESS);
  }
  void copy_out() { EXPECT_EQ(cuMemcpyDtoHAsync_v2(host_y, y, 32, stream), CUDA_SUCCESS); }

  /// The formula, worked out here once more.
  float expected(int row, std::size_t k) const {
    double s0 = 0;
    double s1 = 0;
    for (std::size_t j = 0; j < 3; ++j)
      s0 += double{host_a[row * 3 + static_cast<int>(j)]} * (double((37 * j + 91) % 64 + 1) / 64);
    for (std::size_t j = 0; j < 2; ++j)
      s1 += host_b[row * 2 + static_cast<int>(j)] * (double((37 * j + 101 + 91) % 64 + 1) / 64);
    return static_cast<float>(s0 * (double((7 * k + 7) % 16 + 1) / 16) +
                              s1 * (double((7 * k + 10) % 16 + 1) / 16));
  }
  void expect_rows(int rows) const {
    for (int row = 0; row < rows; ++row) {
      for (std::size_t k = 0; k < 2; ++k)
        EXPECT_EQ(host_y[row * 2 + static_cast<int>(k)], expected(row, k)) << row << " " << k;
    }
  }
  static void* pointer(CUdeviceptr value) { return reinterpret_cast<void*>(value); }

  void* library = nullptr;
  Logger logger;
  doubles::Plan plan;
  std::unique_ptr<nvinfer1::IRuntime> runtime;
  std::unique_ptr<nvinfer1::ICudaEngine> engine;
  std::unique_ptr<nvinfer1::IExecutionContext> execution;
  CUdeviceptr a = 0, b = 0, y = 0, activation = 0;
  float* host_a = nullptr;
  std::int32_t* host_b = nullptr;
  float* host_y = nullptr;
};

TEST_F(TensorRTDouble, RunsTheFormulaOnEveryRow) {
  prepare(4);
  copy_in();
  ASSERT_TRUE(execution->enqueueV3(stream)) << logger.errors;
  copy_out();
  ASSERT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
  expect_rows(4);
  EXPECT_EQ(execution->getTensorShape("y").d[0], 4);
  EXPECT_EQ(double_violations(), 0) << double_violation_text();
}

TEST_F(TensorRTDouble, RowsBeyondTheShapeStayPoisoned) {
  prepare(2);
  copy_in();
  ASSERT_TRUE(execution->enqueueV3(stream));
  copy_out();
  ASSERT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
  expect_rows(2);
  EXPECT_TRUE(std::isnan(host_y[4]));
}

TEST_F(TensorRTDouble, GraphsReplayAndRefuseOnceTheContextHasChanged) {
  prepare(4);
  copy_in();
  ASSERT_EQ(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), CUDA_SUCCESS);
  EXPECT_FALSE(execution->enqueueV3(stream)) << "not before the first run with these shapes";
  CUgraph graph = nullptr;
  EXPECT_EQ(cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);

  ASSERT_TRUE(execution->enqueueV3(stream));
  ASSERT_EQ(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), CUDA_SUCCESS);
  copy_in();
  ASSERT_TRUE(execution->enqueueV3(stream)) << logger.errors;
  copy_out();
  ASSERT_EQ(cuStreamEndCapture(stream, &graph), CUDA_SUCCESS);
  CUgraphExec exec = nullptr;
  ASSERT_EQ(cuGraphInstantiateWithFlags(&exec, graph, 0), CUDA_SUCCESS);
  cuGraphDestroy(graph);
  for (int round = 0; round < 3; ++round) {
    host_a[0] += 1;
    ASSERT_EQ(cuGraphLaunch(exec, stream), CUDA_SUCCESS) << double_violation_text();
    ASSERT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
    expect_rows(4);
  }
  EXPECT_EQ(double_violations(), 0) << double_violation_text();
  execution->setInputShape("a", nvinfer1::Dims2{3, 3});
  EXPECT_EQ(cuGraphLaunch(exec, stream), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(double_violations(), 1);
  execution->setInputShape("a", nvinfer1::Dims2{4, 3});
  execution.reset();
  EXPECT_EQ(cuGraphLaunch(exec, stream), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(double_violations(), 2);
  cuGraphExecDestroy(exec);
}

TEST_F(TensorRTDouble, RefusesWhatLacks) {
  prepare(4);
  EXPECT_FALSE(execution->setInputShape("a", nvinfer1::Dims2{5, 3})) << "beyond the profile";
  EXPECT_FALSE(execution->setInputShape("c", nvinfer1::Dims2{4, 3})) << "no such tensor";
  execution->setInputShape("a", nvinfer1::Dims2{3, 3});
  EXPECT_FALSE(execution->enqueueV3(stream)) << "batches differ";
  execution->setInputShape("a", nvinfer1::Dims2{4, 3});
  execution->setTensorAddress("y", nullptr);
  EXPECT_FALSE(execution->enqueueV3(stream)) << "no address";
  EXPECT_NE(logger.errors.find("address of tensor y"), std::string::npos) << logger.errors;
  execution->setTensorAddress("y", pointer(y));
  execution->setDeviceMemoryV2(pointer(activation), 512);
  EXPECT_FALSE(execution->enqueueV3(stream)) << "activation memory too small";
  EXPECT_EQ(double_violations(), 0);
}

TEST_F(TensorRTDouble, NoticesAContextOnTwoStreamsAndSharedActivationMemory) {
  double_set("run_us", 50000);
  prepare(4);
  CUstream other = nullptr;
  cuStreamCreate(&other, CU_STREAM_NON_BLOCKING);
  ASSERT_TRUE(execution->enqueueV3(stream));
  EXPECT_FALSE(execution->enqueueV3(other));
  EXPECT_EQ(double_violations(), 1) << double_violation_text();
  cuStreamSynchronize(stream);

  std::unique_ptr<nvinfer1::IExecutionContext> second(
      engine->createExecutionContext(nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED));
  second->setDeviceMemoryV2(pointer(activation), engine->getDeviceMemorySizeV2());
  second->setInputShape("a", nvinfer1::Dims2{1, 3});
  second->setInputShape("b", nvinfer1::Dims2{1, 2});
  second->setTensorAddress("a", pointer(a));
  second->setTensorAddress("b", pointer(b));
  const CUdeviceptr elsewhere = device(8);
  second->setTensorAddress("y", pointer(elsewhere));
#ifndef __SANITIZE_THREAD__  // it would report what this provokes
  EXPECT_TRUE(execution->enqueueV3(stream));
  EXPECT_TRUE(second->enqueueV3(other));
  cuStreamSynchronize(stream);
  cuStreamSynchronize(other);
  EXPECT_EQ(double_violations(), 2) << double_violation_text();
#endif
  second.reset();
  cuStreamDestroy_v2(other);
  cuMemFree_v2(elsewhere);
}

TEST_F(TensorRTDouble, RefusesPlansThatAreNotWholeOrNotItsOwn) {
  const std::string good = doubles::write_plan(plan);
  EXPECT_EQ(deserialize(""), nullptr);
  EXPECT_EQ(deserialize("ftrt and what follows"), nullptr);
  for (std::size_t bytes = 0; bytes < good.size(); bytes += 13)
    EXPECT_EQ(deserialize(good.substr(0, bytes)), nullptr) << bytes;
  for (std::size_t place = 0; place < good.size(); place += 7) {
    std::string damaged = good;
    damaged[place] = static_cast<char>(damaged[place] ^ 1);
    EXPECT_EQ(deserialize(damaged), nullptr) << place;
  }
  plan.version = "10.12.0.1";
  EXPECT_EQ(deserialize(doubles::write_plan(plan)), nullptr);
  EXPECT_NE(logger.errors.find("please rebuild"), std::string::npos);
  plan.version = "*";
  engine.reset(deserialize(doubles::write_plan(plan)));
  EXPECT_NE(engine, nullptr);
}

TEST_F(TensorRTDouble, NoticesTheWrongOrderOfDeletion) {
  prepare(1);
  engine.reset();
  EXPECT_EQ(double_violations(), 1);
  execution.reset();
  engine.reset(deserialize(doubles::write_plan(plan)));
  runtime.reset();
  EXPECT_EQ(double_violations(), 2);
}

class NamedCreator final : public nvinfer1::IPluginCreatorV3One {
 public:
  nvinfer1::IPluginV3* createPlugin(nvinfer1::AsciiChar const*, nvinfer1::PluginFieldCollection const* fields,
                                    nvinfer1::TensorRTPhase at) noexcept override {
    phase = at;
    for (int i = 0; i < fields->nbFields; ++i) {
      const nvinfer1::PluginField& field = fields->fields[i];
      const auto* const numbers = static_cast<const std::int32_t*>(field.data);
      if (field.name == std::string("sizes")) sizes.assign(numbers, numbers + field.length);
    }
    return nullptr;
  }
  nvinfer1::PluginFieldCollection const* getFieldNames() noexcept override { return &none_; }
  nvinfer1::AsciiChar const* getPluginName() const noexcept override { return "Named"; }
  nvinfer1::AsciiChar const* getPluginVersion() const noexcept override { return "3"; }
  nvinfer1::AsciiChar const* getPluginNamespace() const noexcept override { return "tft"; }

  nvinfer1::TensorRTPhase phase = nvinfer1::TensorRTPhase::kBUILD;
  std::vector<std::int32_t> sizes;

 private:
  const nvinfer1::PluginFieldCollection none_{};
};

TEST_F(TensorRTDouble, FindsACreatorOfTheProcessFromARuntimeUntilItIsDeregistered) {
  using Get = nvinfer1::IPluginRegistry* (*)();
  auto& registry = *reinterpret_cast<Get>(dlsym(library, "getPluginRegistry"))();
  NamedCreator creator;
  plan.plugins = {{"Named", "3", "tft", {{"sizes", "int32", {4, 2}, {}}}}};
  EXPECT_EQ(deserialize(doubles::write_plan(plan)), nullptr);
  EXPECT_NE(logger.errors.find("Cannot find plugin: Named, version: 3"), std::string::npos);
  EXPECT_NE(logger.errors.find("IPluginCreator not found in Plugin Registry"), std::string::npos);
  EXPECT_TRUE(creator.sizes.empty());

  ASSERT_TRUE(registry.registerCreator(creator, "tft"));
  EXPECT_FALSE(registry.registerCreator(creator, "tft")) << "twice";
  EXPECT_EQ(registry.getCreator("Named", "3", "tft"), &creator);
  EXPECT_EQ(registry.getCreator("Named", "3", ""), nullptr);
  EXPECT_EQ(registry.getCreator("Named", "4", "tft"), nullptr);
  EXPECT_EQ(runtime->getPluginRegistry().getCreator("Named", "3", "tft"), &creator);
  EXPECT_EQ(deserialize(doubles::write_plan(plan)), nullptr) << "the creator made no plugin";
  EXPECT_EQ(creator.phase, nvinfer1::TensorRTPhase::kRUNTIME);
  EXPECT_EQ(creator.sizes, (std::vector<std::int32_t>{4, 2}));

  EXPECT_TRUE(registry.deregisterCreator(creator));
  EXPECT_FALSE(registry.deregisterCreator(creator));
  EXPECT_EQ(runtime->getPluginRegistry().getCreator("Named", "3", "tft"), nullptr);
  EXPECT_EQ(double_violations(), 0);
}

TEST_F(TensorRTDouble, RunsAPlanWithOurOperatorsAfterLoadingTheirPluginLibrary) {
  using Creators = nvinfer1::IPluginCreatorInterface* const* (*)(std::int32_t&);
  void* const opened = dlopen(TFT_PLUGIN_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(opened, nullptr) << dlerror();
  std::int32_t count = 0;
  auto* const* const creators = reinterpret_cast<Creators>(dlsym(opened, "getCreators"))(count);
  ASSERT_EQ(count, 6);
  EXPECT_NE(dlsym(opened, "setLoggerFinder"), nullptr);
  const std::string version = static_cast<nvinfer1::IPluginCreatorV3One*>(creators[0])->getPluginVersion();

  plan.plugins = {{"TftLstm", version, "", {{"hidden_size", "float64", {}, {}, {32}}}}};
  EXPECT_EQ(deserialize(doubles::write_plan(plan)), nullptr);
  ASSERT_NE(runtime->getPluginRegistry().loadLibrary(TFT_PLUGIN_LIBRARY), nullptr) << logger.errors;
  engine.reset(deserialize(doubles::write_plan(plan)));
  EXPECT_NE(engine, nullptr) << logger.errors;
}

TEST_F(TensorRTDouble, ReturnsAPointerThatIsNoneWithoutADevice) {
  double_set("devices", 0);
  EXPECT_EQ(create_runtime(), reinterpret_cast<nvinfer1::IRuntime*>(0x238));
  EXPECT_NE(logger.errors.find("error: 35"), std::string::npos);
  double_set("devices", 1);
}

}  // namespace

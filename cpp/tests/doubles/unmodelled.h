// The functions of TensorRT's interfaces that the double does not model. A call of one is a violation,
// because no test here covers it.
#pragma once
#include <NvInferRuntime.h>

#include <cstdlib>
#include <string>

namespace doubles {

/// Reports a call of a function that the double does not model.
void unmodelled(const char* function);

class UnmodelledRuntime : public nvinfer1::apiv::VRuntime {
 public:
  void setDLACore(int32_t) noexcept override { unmodelled("setDLACore"); }
  int32_t getDLACore() const noexcept override {
    unmodelled("getDLACore");
    return {};
  }
  int32_t getNbDLACores() const noexcept override {
    unmodelled("getNbDLACores");
    return {};
  }
  void setGpuAllocator(nvinfer1::IGpuAllocator*) noexcept override { unmodelled("setGpuAllocator"); }
  void setErrorRecorder(nvinfer1::IErrorRecorder*) noexcept override { unmodelled("setErrorRecorder"); }
  nvinfer1::IErrorRecorder* getErrorRecorder() const noexcept override {
    unmodelled("getErrorRecorder");
    return {};
  }
  bool setMaxThreads(int32_t) noexcept override {
    unmodelled("setMaxThreads");
    return {};
  }
  int32_t getMaxThreads() const noexcept override {
    unmodelled("getMaxThreads");
    return {};
  }
  void setTemporaryDirectory(char const*) noexcept override { unmodelled("setTemporaryDirectory"); }
  char const* getTemporaryDirectory() const noexcept override {
    unmodelled("getTemporaryDirectory");
    return {};
  }
  void setTempfileControlFlags(nvinfer1::TempfileControlFlags) noexcept override {
    unmodelled("setTempfileControlFlags");
  }
  nvinfer1::TempfileControlFlags getTempfileControlFlags() const noexcept override {
    unmodelled("getTempfileControlFlags");
    return {};
  }
  nvinfer1::IPluginRegistry& getPluginRegistry() noexcept override {
    unmodelled("getPluginRegistry");
    std::abort();
  }
  void setPluginRegistryParent(nvinfer1::IPluginRegistry*) noexcept override {
    unmodelled("setPluginRegistryParent");
  }
  nvinfer1::IRuntime* loadRuntime(char const*) noexcept override {
    unmodelled("loadRuntime");
    return {};
  }
  nvinfer1::ICudaEngine* deserializeCudaEngineV2(nvinfer1::IStreamReaderV2&) noexcept override {
    unmodelled("deserializeCudaEngineV2");
    return {};
  }
#if NV_TENSORRT_MAJOR == 10
  nvinfer1::ICudaEngine* deserializeCudaEngine(nvinfer1::IStreamReader&) noexcept override {
    unmodelled("deserializeCudaEngine");
    return {};
  }
#endif
#if NV_TENSORRT_MAJOR != 10
  bool setDLAWorkspaceAllocationStrategy(nvinfer1::DLAWorkspaceAllocationStrategy) noexcept override {
    unmodelled("setDLAWorkspaceAllocationStrategy");
    return {};
  }
  nvinfer1::DLAWorkspaceAllocationStrategy getDLAWorkspaceAllocationStrategy() const noexcept override {
    unmodelled("getDLAWorkspaceAllocationStrategy");
    return {};
  }
#endif
#ifdef TFT_DOUBLE_RTX
  int64_t getEngineHeaderSize() const noexcept override {
    unmodelled("getEngineHeaderSize");
    return {};
  }
  nvinfer1::EngineValidity getEngineValidity(void const*, int64_t, uint64_t*) const noexcept override {
    unmodelled("getEngineValidity");
    return {};
  }
  void setDeferredWeightsLoading(bool) noexcept override { unmodelled("setDeferredWeightsLoading"); }
  bool getDeferredWeightsLoading() const noexcept override {
    unmodelled("getDeferredWeightsLoading");
    return {};
  }
#endif
};

class UnmodelledEngine : public nvinfer1::apiv::VCudaEngine {
 public:
  int32_t getNbLayers() const noexcept override {
    unmodelled("getNbLayers");
    return {};
  }
  nvinfer1::IHostMemory* serialize() const noexcept override {
    unmodelled("serialize");
    return {};
  }
  bool isRefittable() const noexcept override {
    unmodelled("isRefittable");
    return {};
  }
  nvinfer1::EngineCapability getEngineCapability() const noexcept override {
    unmodelled("getEngineCapability");
    return {};
  }
  void setErrorRecorder(nvinfer1::IErrorRecorder*) noexcept override { unmodelled("setErrorRecorder"); }
  nvinfer1::IErrorRecorder* getErrorRecorder() const noexcept override {
    unmodelled("getErrorRecorder");
    return {};
  }
  nvinfer1::TacticSources getTacticSources() const noexcept override {
    unmodelled("getTacticSources");
    return {};
  }
  nvinfer1::ProfilingVerbosity getProfilingVerbosity() const noexcept override {
    unmodelled("getProfilingVerbosity");
    return {};
  }
  bool isShapeInferenceIO(char const*) const noexcept override {
    unmodelled("isShapeInferenceIO");
    return {};
  }
  int32_t getTensorBytesPerComponent(char const*) const noexcept override {
    unmodelled("getTensorBytesPerComponent");
    return {};
  }
  int32_t getTensorComponentsPerElement(char const*) const noexcept override {
    unmodelled("getTensorComponentsPerElement");
    return {};
  }
  char const* getTensorFormatDesc(char const*) const noexcept override {
    unmodelled("getTensorFormatDesc");
    return {};
  }
  int32_t getTensorVectorizedDim(char const*) const noexcept override {
    unmodelled("getTensorVectorizedDim");
    return {};
  }
  nvinfer1::HardwareCompatibilityLevel getHardwareCompatibilityLevel() const noexcept override {
    unmodelled("getHardwareCompatibilityLevel");
    return {};
  }
  int32_t getNbAuxStreams() const noexcept override {
    unmodelled("getNbAuxStreams");
    return {};
  }
  int32_t getTensorBytesPerComponentV2(char const*, int32_t) const noexcept override {
    unmodelled("getTensorBytesPerComponentV2");
    return {};
  }
  int32_t getTensorComponentsPerElementV2(char const*, int32_t) const noexcept override {
    unmodelled("getTensorComponentsPerElementV2");
    return {};
  }
  nvinfer1::TensorFormat getTensorFormatV2(char const*, int32_t) const noexcept override {
    unmodelled("getTensorFormatV2");
    return {};
  }
  char const* getTensorFormatDescV2(char const*, int32_t) const noexcept override {
    unmodelled("getTensorFormatDescV2");
    return {};
  }
  int32_t getTensorVectorizedDimV2(char const*, int32_t) const noexcept override {
    unmodelled("getTensorVectorizedDimV2");
    return {};
  }
  nvinfer1::ISerializationConfig* createSerializationConfig() noexcept override {
    unmodelled("createSerializationConfig");
    return {};
  }
  nvinfer1::IHostMemory* serializeWithConfig(nvinfer1::ISerializationConfig&) const noexcept override {
    unmodelled("serializeWithConfig");
    return {};
  }
  nvinfer1::IRefitter* createRefitter(nvinfer1::ILogger&) noexcept override {
    unmodelled("createRefitter");
    return {};
  }
  int64_t getStreamableWeightsSize() const noexcept override {
    unmodelled("getStreamableWeightsSize");
    return {};
  }
  bool isDebugTensor(char const*) const noexcept override {
    unmodelled("isDebugTensor");
    return {};
  }
  bool setWeightStreamingBudgetV2(int64_t) noexcept override {
    unmodelled("setWeightStreamingBudgetV2");
    return {};
  }
  int64_t getWeightStreamingBudgetV2() const noexcept override {
    unmodelled("getWeightStreamingBudgetV2");
    return {};
  }
  int64_t getWeightStreamingAutomaticBudget() const noexcept override {
    unmodelled("getWeightStreamingAutomaticBudget");
    return {};
  }
  int64_t getWeightStreamingScratchMemorySize() const noexcept override {
    unmodelled("getWeightStreamingScratchMemorySize");
    return {};
  }
  int64_t const* getProfileTensorValuesV2(char const*, int32_t,
                                          nvinfer1::OptProfileSelector) const noexcept override {
    unmodelled("getProfileTensorValuesV2");
    return {};
  }
#ifdef TFT_DOUBLE_RTX
  bool areWeightsLoaded() const noexcept override {
    unmodelled("areWeightsLoaded");
    return {};
  }
  bool loadWeights(void const*, int64_t) noexcept override {
    unmodelled("loadWeights");
    return {};
  }
  bool loadWeightsAsync(nvinfer1::IStreamReaderV2&, cudaStream_t) noexcept override {
    unmodelled("loadWeightsAsync");
    return {};
  }
  bool unloadWeights() noexcept override {
    unmodelled("unloadWeights");
    return {};
  }
  nvinfer1::IWeightsManager* createWeightsManager() noexcept override {
    unmodelled("createWeightsManager");
    return {};
  }
#else
  nvinfer1::IExecutionContext* createExecutionContextWithRuntimeConfig(
      nvinfer1::IRuntimeConfig*) noexcept override {
    unmodelled("createExecutionContextWithRuntimeConfig");
    return {};
  }
  nvinfer1::IRuntimeConfig* createRuntimeConfig() noexcept override {
    unmodelled("createRuntimeConfig");
    return {};
  }
#endif
  int64_t getEngineStat(nvinfer1::EngineStat) const noexcept override {
    unmodelled("getEngineStat");
    return {};
  }
  char const* getAliasedInputTensor(char const*) const noexcept override {
    unmodelled("getAliasedInputTensor");
    return {};
  }
#if NV_TENSORRT_MAJOR == 10
  nvinfer1::IExecutionContext* createExecutionContextWithoutDeviceMemory() noexcept override {
    unmodelled("createExecutionContextWithoutDeviceMemory");
    return {};
  }
  size_t getDeviceMemorySize() const noexcept override {
    unmodelled("getDeviceMemorySize");
    return {};
  }
  int32_t const* getProfileTensorValues(char const*, int32_t,
                                        nvinfer1::OptProfileSelector) const noexcept override {
    unmodelled("getProfileTensorValues");
    return {};
  }
  bool hasImplicitBatchDimension() const noexcept override {
    unmodelled("hasImplicitBatchDimension");
    return {};
  }
  bool setWeightStreamingBudget(int64_t) noexcept override {
    unmodelled("setWeightStreamingBudget");
    return {};
  }
  int64_t getWeightStreamingBudget() const noexcept override {
    unmodelled("getWeightStreamingBudget");
    return {};
  }
  int64_t getMinimumWeightStreamingBudget() const noexcept override {
    unmodelled("getMinimumWeightStreamingBudget");
    return {};
  }
#endif
};

class UnmodelledContext : public nvinfer1::apiv::VExecutionContext {
 public:
  void setDebugSync(bool) noexcept override { unmodelled("setDebugSync"); }
  bool getDebugSync() const noexcept override {
    unmodelled("getDebugSync");
    return {};
  }
  void setName(char const*) noexcept override { unmodelled("setName"); }
  char const* getName() const noexcept override {
    unmodelled("getName");
    return {};
  }
#if NV_TENSORRT_MAJOR != 10
  void setDeviceMemory(void*) noexcept override { unmodelled("setDeviceMemory"); }
#endif
  void setErrorRecorder(nvinfer1::IErrorRecorder*) noexcept override { unmodelled("setErrorRecorder"); }
  nvinfer1::IErrorRecorder* getErrorRecorder() const noexcept override {
    unmodelled("getErrorRecorder");
    return {};
  }
  bool executeV2(void* const*) noexcept override {
    unmodelled("executeV2");
    return {};
  }
  void setEnqueueEmitsProfile(bool) noexcept override { unmodelled("setEnqueueEmitsProfile"); }
  bool getEnqueueEmitsProfile() const noexcept override {
    unmodelled("getEnqueueEmitsProfile");
    return {};
  }
  bool reportToProfiler() const noexcept override {
    unmodelled("reportToProfiler");
    return {};
  }
  nvinfer1::Dims getTensorStrides(char const*) const noexcept override {
    unmodelled("getTensorStrides");
    return {};
  }
  bool setInputConsumedEvent(cudaEvent_t) noexcept override {
    unmodelled("setInputConsumedEvent");
    return {};
  }
  cudaEvent_t getInputConsumedEvent() const noexcept override {
    unmodelled("getInputConsumedEvent");
    return {};
  }
  void* getOutputTensorAddress(char const*) const noexcept override {
    unmodelled("getOutputTensorAddress");
    return {};
  }
  bool setOutputAllocator(char const*, nvinfer1::IOutputAllocator*) noexcept override {
    unmodelled("setOutputAllocator");
    return {};
  }
  nvinfer1::IOutputAllocator* getOutputAllocator(char const*) noexcept override {
    unmodelled("getOutputAllocator");
    return {};
  }
  int64_t getMaxOutputSize(char const*) const noexcept override {
    unmodelled("getMaxOutputSize");
    return {};
  }
  bool setTemporaryStorageAllocator(nvinfer1::IGpuAllocator*) noexcept override {
    unmodelled("setTemporaryStorageAllocator");
    return {};
  }
  nvinfer1::IGpuAllocator* getTemporaryStorageAllocator() const noexcept override {
    unmodelled("getTemporaryStorageAllocator");
    return {};
  }
  void setPersistentCacheLimit(size_t) noexcept override { unmodelled("setPersistentCacheLimit"); }
  size_t getPersistentCacheLimit() const noexcept override {
    unmodelled("getPersistentCacheLimit");
    return {};
  }
  bool setNvtxVerbosity(nvinfer1::ProfilingVerbosity) noexcept override {
    unmodelled("setNvtxVerbosity");
    return {};
  }
  nvinfer1::ProfilingVerbosity getNvtxVerbosity() const noexcept override {
    unmodelled("getNvtxVerbosity");
    return {};
  }
  void setAuxStreams(cudaStream_t*, int32_t) noexcept override { unmodelled("setAuxStreams"); }
  bool setDebugListener(nvinfer1::IDebugListener*) noexcept override {
    unmodelled("setDebugListener");
    return {};
  }
  nvinfer1::IDebugListener* getDebugListener() noexcept override {
    unmodelled("getDebugListener");
    return {};
  }
  bool setTensorDebugState(char const*, bool) noexcept override {
    unmodelled("setTensorDebugState");
    return {};
  }
  bool getDebugState(char const*) const noexcept override {
    unmodelled("getDebugState");
    return {};
  }
  bool setAllTensorsDebugState(bool) noexcept override {
    unmodelled("setAllTensorsDebugState");
    return {};
  }
  nvinfer1::IRuntimeConfig* getRuntimeConfig() const noexcept override {
    unmodelled("getRuntimeConfig");
    return {};
  }
  bool setUnfusedTensorsDebugState(bool) noexcept override {
    unmodelled("setUnfusedTensorsDebugState");
    return {};
  }
  bool getUnfusedTensorsDebugState() const noexcept override {
    unmodelled("getUnfusedTensorsDebugState");
    return {};
  }
  bool setCommunicator(void*) noexcept override {
    unmodelled("setCommunicator");
    return {};
  }
#ifdef TFT_DOUBLE_RTX
  bool isStreamCapturable(cudaStream_t) const noexcept override {
    unmodelled("isStreamCapturable");
    return {};
  }
#endif
#if NV_TENSORRT_MAJOR == 10
  bool allInputShapesSpecified() const noexcept override {
    unmodelled("allInputShapesSpecified");
    return {};
  }
#endif
};

}  // namespace doubles

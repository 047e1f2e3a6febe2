// The functions of TensorRT's builder that the double does not model; see unmodelled.h.
#pragma once
#include <NvInfer.h>

#include <cstdlib>

#include "unmodelled.h"

// Some of these are deprecated; the compiler would warn about them here.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

// Each macro defines one function: its type, name, parameters and qualifiers.
#define TFT_VOID(name, parameters, ...) \
  void name parameters __VA_ARGS__ override { unmodelled(#name); }
#define TFT_VALUE(type, name, parameters, ...) \
  type name parameters __VA_ARGS__ override {  \
    unmodelled(#name);                         \
    return {};                                 \
  }
#define TFT_REFERENCE(type, name, parameters, ...) \
  type name parameters __VA_ARGS__ override { unmodelled(#name), std::abort(); }

// clang-format off: a function a line.
namespace doubles {
using namespace nvinfer1;  // NOLINT: everything declared here overrides their functions

class UnmodelledBuilder : public apiv::VBuilder {
 public:
  TFT_VALUE(int32_t, getMaxDLABatchSize, (), const noexcept)
  TFT_VALUE(int32_t, getNbDLACores, (), const noexcept)
  TFT_VOID(setGpuAllocator, (IGpuAllocator*), noexcept)
  TFT_VOID(setErrorRecorder, (IErrorRecorder*), noexcept)
  TFT_VALUE(IErrorRecorder*, getErrorRecorder, (), const noexcept)
  TFT_VOID(reset, (), noexcept)
  TFT_VALUE(bool, isNetworkSupported, (INetworkDefinition const&, IBuilderConfig const&), const noexcept)
  TFT_VALUE(ILogger*, getLogger, (), const noexcept)
  TFT_VALUE(bool, setMaxThreads, (int32_t), noexcept)
  TFT_VALUE(int32_t, getMaxThreads, (), const noexcept)
  TFT_VALUE(bool, buildSerializedNetworkToStream, (INetworkDefinition&, IBuilderConfig&, IStreamWriter&), noexcept)
#ifndef TFT_DOUBLE_RTX
  TFT_VALUE(ICudaEngine*, buildEngineWithConfig, (INetworkDefinition&, IBuilderConfig&), noexcept)
  TFT_VALUE(IHostMemory*, buildSerializedNetworkWithKernelText, (INetworkDefinition&, IBuilderConfig&, IHostMemory*&), noexcept)
#endif
#if NV_TENSORRT_MAJOR == 10
  TFT_VALUE(bool, platformHasFastFp16, (), const noexcept)
  TFT_VALUE(bool, platformHasFastInt8, (), const noexcept)
  TFT_VALUE(bool, platformHasTf32, (), const noexcept)
#endif
};

class UnmodelledConfig : public apiv::VBuilderConfig {
 public:
  TFT_VOID(setAvgTimingIterations, (int32_t), noexcept)
  TFT_VALUE(int32_t, getAvgTimingIterations, (), const noexcept)
  TFT_VOID(setEngineCapability, (EngineCapability), noexcept)
  TFT_VALUE(EngineCapability, getEngineCapability, (), const noexcept)
  TFT_VOID(setFlags, (BuilderFlags), noexcept)
  TFT_VALUE(BuilderFlags, getFlags, (), const noexcept)
  TFT_VALUE(bool, getFlag, (BuilderFlag), const noexcept)
  TFT_VOID(setDeviceType, (ILayer const*, DeviceType), noexcept)
  TFT_VALUE(DeviceType, getDeviceType, (ILayer const*), const noexcept)
  TFT_VALUE(bool, isDeviceTypeSet, (ILayer const*), const noexcept)
  TFT_VOID(resetDeviceType, (ILayer const*), noexcept)
  TFT_VALUE(bool, canRunOnDLA, (ILayer const*), const noexcept)
  TFT_VOID(setDLACore, (int32_t), noexcept)
  TFT_VALUE(int32_t, getDLACore, (), const noexcept)
  TFT_VOID(setDefaultDeviceType, (DeviceType), noexcept)
  TFT_VALUE(DeviceType, getDefaultDeviceType, (), const noexcept)
  TFT_VOID(reset, (), noexcept)
  TFT_VOID(setProfileStream, (cudaStream_t), noexcept)
  TFT_VALUE(cudaStream_t, getProfileStream, (), const noexcept)
  TFT_VALUE(int32_t, getNbOptimizationProfiles, (), const noexcept)
  TFT_VALUE(ProfilingVerbosity, getProfilingVerbosity, (), const noexcept)
  TFT_VALUE(bool, setTacticSources, (TacticSources), noexcept)
  TFT_VALUE(TacticSources, getTacticSources, (), const noexcept)
  TFT_VALUE(std::size_t, getMemoryPoolLimit, (MemoryPoolType), const noexcept)
  TFT_VOID(setPreviewFeature, (PreviewFeature, bool), noexcept)
  TFT_VALUE(bool, getPreviewFeature, (PreviewFeature), const noexcept)
  TFT_VALUE(int32_t, getBuilderOptimizationLevel, (), const noexcept)
  TFT_VOID(setPluginsToSerialize, (char const* const*, int32_t), noexcept)
  TFT_VALUE(char const*, getPluginToSerialize, (int32_t), const noexcept)
  TFT_VALUE(int32_t, getNbPluginsToSerialize, (), const noexcept)
  TFT_VALUE(int32_t, getMaxAuxStreams, (), const noexcept)
  TFT_VALUE(IProgressMonitor*, getProgressMonitor, (), const noexcept)
  TFT_VOID(setRuntimePlatform, (RuntimePlatform), noexcept)
  TFT_VALUE(RuntimePlatform, getRuntimePlatform, (), const noexcept)
  TFT_VOID(setMaxNbTactics, (int32_t), noexcept)
  TFT_VALUE(int32_t, getMaxNbTactics, (), const noexcept)
  TFT_VALUE(bool, setTilingOptimizationLevel, (TilingOptimizationLevel), noexcept)
  TFT_VALUE(TilingOptimizationLevel, getTilingOptimizationLevel, (), const noexcept)
  TFT_VALUE(bool, setL2LimitForTiling, (int64_t), noexcept)
  TFT_VALUE(int64_t, getL2LimitForTiling, (), const noexcept)
#ifdef TFT_DOUBLE_RTX
  TFT_VALUE(int32_t, getNbComputeCapabilities, (), const noexcept)
  TFT_VALUE(ComputeCapability, getComputeCapability, (int32_t), const noexcept)
#else
  TFT_VALUE(bool, setRemoteAutoTuningConfig, (char const*), noexcept)
  TFT_VALUE(char const*, getRemoteAutoTuningConfig, (), const noexcept)
#endif
#if NV_TENSORRT_MAJOR == 10
  TFT_VOID(setInt8Calibrator, (IInt8Calibrator*), noexcept)
  TFT_VALUE(IInt8Calibrator*, getInt8Calibrator, (), const noexcept)
  TFT_VOID(setAlgorithmSelector, (IAlgorithmSelector*), noexcept)
  TFT_VALUE(IAlgorithmSelector*, getAlgorithmSelector, (), const noexcept)
  TFT_VALUE(bool, setCalibrationProfile, (IOptimizationProfile const*), noexcept)
  TFT_VALUE(IOptimizationProfile const*, getCalibrationProfile, (), noexcept)
  TFT_VOID(setQuantizationFlags, (QuantizationFlags), noexcept)
  TFT_VALUE(QuantizationFlags, getQuantizationFlags, (), const noexcept)
  TFT_VOID(clearQuantizationFlag, (QuantizationFlag), noexcept)
  TFT_VOID(setQuantizationFlag, (QuantizationFlag), noexcept)
  TFT_VALUE(bool, getQuantizationFlag, (QuantizationFlag), const noexcept)
  TFT_VOID(setMaxAuxStreams, (int32_t), noexcept)
#endif
#if NV_TENSORRT_MAJOR != 10
  TFT_VALUE(bool, setMaxAuxStreams, (int32_t), noexcept)
  TFT_VALUE(bool, setBuildRoute, (char const*), noexcept)
  TFT_VALUE(char const*, getBuildRoute, (), const noexcept)
  TFT_VALUE(char const*, getAllBuildRoutes, (), const noexcept)
#endif
};

class UnmodelledNetwork : public apiv::VNetworkDefinition {
 public:
  TFT_VALUE(ITensor*, addInput, (char const*, DataType, Dims const&), noexcept)
  TFT_VOID(markOutput, (ITensor&), noexcept)
  TFT_VALUE(IActivationLayer*, addActivation, (ITensor&, ActivationType), noexcept)
  TFT_VALUE(ILRNLayer*, addLRN, (ITensor&, int64_t, float, float, float), noexcept)
  TFT_VALUE(IScaleLayer*, addScale, (ITensor&, ScaleMode, Weights, Weights, Weights), noexcept)
  TFT_VALUE(ISoftMaxLayer*, addSoftMax, (ITensor&), noexcept)
  TFT_VALUE(IConcatenationLayer*, addConcatenation, (ITensor* const*, int32_t), noexcept)
  TFT_VALUE(IElementWiseLayer*, addElementWise, (ITensor&, ITensor&, ElementWiseOperation), noexcept)
  TFT_VALUE(IUnaryLayer*, addUnary, (ITensor&, UnaryOperation), noexcept)
  TFT_VALUE(IShuffleLayer*, addShuffle, (ITensor&), noexcept)
#ifndef TFT_DOUBLE_RTX
  TFT_VALUE(int32_t, getNbLayers, (), const noexcept)
#endif
  TFT_VALUE(ILayer*, getLayer, (int32_t), const noexcept)
  TFT_VALUE(IReduceLayer*, addReduce, (ITensor&, ReduceOperation, uint32_t, bool), noexcept)
  TFT_VALUE(ITopKLayer*, addTopK, (ITensor&, TopKOperation, int32_t, uint32_t), noexcept)
  TFT_VALUE(IGatherLayer*, addGather, (ITensor&, ITensor&, int32_t), noexcept)
  TFT_VALUE(IRaggedSoftMaxLayer*, addRaggedSoftMax, (ITensor&, ITensor&), noexcept)
  TFT_VALUE(IMatrixMultiplyLayer*, addMatrixMultiply, (ITensor&, MatrixOperation, ITensor&, MatrixOperation), noexcept)
  TFT_VALUE(IConstantLayer*, addConstant, (Dims const&, Weights), noexcept)
  TFT_VALUE(IIdentityLayer*, addIdentity, (ITensor&), noexcept)
  TFT_VOID(removeTensor, (ITensor&), noexcept)
  TFT_VOID(unmarkOutput, (ITensor&), noexcept)
#ifndef TFT_DOUBLE_RTX
  TFT_VALUE(IPluginV2Layer*, addPluginV2, (ITensor* const*, int32_t, IPluginV2&), noexcept)
  TFT_VALUE(IPluginV3Layer*, addPluginV3, (ITensor* const*, int32_t, ITensor* const*, int32_t, IPluginV3&), noexcept)
#endif
  TFT_VALUE(ISliceLayer*, addSlice, (ITensor&, Dims const&, Dims const&, Dims const&), noexcept)
  TFT_VOID(setName, (char const*), noexcept)
  TFT_VALUE(char const*, getName, (), const noexcept)
  TFT_VALUE(IShapeLayer*, addShape, (ITensor&), noexcept)
  TFT_VALUE(bool, hasImplicitBatchDimension, (), const noexcept)
  TFT_VALUE(bool, markOutputForShapes, (ITensor&), noexcept)
  TFT_VALUE(bool, unmarkOutputForShapes, (ITensor&), noexcept)
  TFT_VALUE(IParametricReLULayer*, addParametricReLU, (ITensor&, ITensor&), noexcept)
  TFT_VALUE(IConvolutionLayer*, addConvolutionNd, (ITensor&, int64_t, Dims const&, Weights, Weights), noexcept)
  TFT_VALUE(IPoolingLayer*, addPoolingNd, (ITensor&, PoolingType, Dims const&), noexcept)
  TFT_VALUE(IDeconvolutionLayer*, addDeconvolutionNd, (ITensor&, int64_t, Dims const&, Weights, Weights), noexcept)
  TFT_VALUE(IScaleLayer*, addScaleNd, (ITensor&, ScaleMode, Weights, Weights, Weights, int32_t), noexcept)
  TFT_VALUE(IResizeLayer*, addResize, (ITensor&), noexcept)
  TFT_VALUE(ILoop*, addLoop, (), noexcept)
  TFT_VALUE(ISelectLayer*, addSelect, (ITensor&, ITensor&, ITensor&), noexcept)
  TFT_VALUE(IPaddingLayer*, addPaddingNd, (ITensor&, Dims const&, Dims const&), noexcept)
  TFT_VALUE(bool, setWeightsName, (Weights, char const*), noexcept)
  TFT_VOID(setErrorRecorder, (IErrorRecorder*), noexcept)
  TFT_VALUE(IErrorRecorder*, getErrorRecorder, (), const noexcept)
  TFT_VALUE(IGatherLayer*, addGatherV2, (ITensor&, ITensor&, GatherMode), noexcept)
  TFT_VALUE(IIfConditional*, addIfConditional, (), noexcept)
  TFT_VALUE(IScatterLayer*, addScatter, (ITensor&, ITensor&, ITensor&, ScatterMode), noexcept)
  TFT_VALUE(IEinsumLayer*, addEinsum, (ITensor* const*, int32_t, char const*), noexcept)
  TFT_VALUE(IAssertionLayer*, addAssertion, (ITensor&, char const*), noexcept)
  TFT_VALUE(IOneHotLayer*, addOneHot, (ITensor&, ITensor&, ITensor&, int32_t), noexcept)
  TFT_VALUE(INonZeroLayer*, addNonZero, (ITensor&), noexcept)
  TFT_VALUE(IGridSampleLayer*, addGridSample, (ITensor&, ITensor&), noexcept)
  TFT_VALUE(INMSLayer*, addNMS, (ITensor&, ITensor&, ITensor&), noexcept)
  TFT_VALUE(IReverseSequenceLayer*, addReverseSequence, (ITensor&, ITensor&), noexcept)
  TFT_VALUE(INormalizationLayer*, addNormalization, (ITensor&, ITensor&, ITensor&, uint32_t), noexcept)
  TFT_VALUE(ICastLayer*, addCast, (ITensor&, DataType), noexcept)
  TFT_REFERENCE(IBuilder&, getBuilder, (), const noexcept)
  TFT_VALUE(NetworkDefinitionCreationFlags, getFlags, (), const noexcept)
  TFT_VALUE(bool, getFlag, (NetworkDefinitionCreationFlag), const noexcept)
  TFT_VALUE(IQuantizeLayer*, addQuantizeV2, (ITensor&, ITensor&, DataType), noexcept)
  TFT_VALUE(IDequantizeLayer*, addDequantizeV2, (ITensor&, ITensor&, DataType), noexcept)
  TFT_VALUE(IFillLayer*, addFillV2, (Dims const&, FillOperation, DataType), noexcept)
  TFT_VALUE(bool, markDebug, (ITensor&), noexcept)
  TFT_VALUE(bool, unmarkDebug, (ITensor&), noexcept)
  TFT_VALUE(bool, isDebugTensor, (ITensor const&), const noexcept)
  TFT_VALUE(bool, markWeightsRefittable, (char const*), noexcept)
  TFT_VALUE(bool, unmarkWeightsRefittable, (char const*), noexcept)
  TFT_VALUE(bool, areWeightsMarkedRefittable, (char const*), const noexcept)
  TFT_VALUE(ISqueezeLayer*, addSqueeze, (ITensor&, ITensor&), noexcept)
  TFT_VALUE(IUnsqueezeLayer*, addUnsqueeze, (ITensor&, ITensor&), noexcept)
  TFT_VALUE(IDynamicQuantizeLayer*, addDynamicQuantize, (ITensor&, int32_t, int32_t, DataType, DataType), noexcept)
  TFT_VALUE(ICumulativeLayer*, addCumulative, (ITensor&, ITensor&, CumulativeOperation, bool, bool), noexcept)
  TFT_VALUE(bool, markUnfusedTensorsAsDebugTensors, (), noexcept)
  TFT_VALUE(bool, unmarkUnfusedTensorsAsDebugTensors, (), noexcept)
  TFT_VALUE(ITopKLayer*, addTopKV2, (ITensor&, TopKOperation, int32_t, uint32_t, DataType), noexcept)
  TFT_VALUE(INonZeroLayer*, addNonZeroV2, (ITensor&, DataType), noexcept)
  TFT_VALUE(INMSLayer*, addNMSV2, (ITensor&, ITensor&, ITensor&, DataType), noexcept)
  TFT_VALUE(IAttention*, addAttention, (ITensor&, ITensor&, ITensor&, AttentionNormalizationOp, bool), noexcept)
  TFT_VALUE(IRotaryEmbeddingLayer*, addRotaryEmbedding, (ITensor&, ITensor&, ITensor&, bool, int32_t), noexcept)
  TFT_VALUE(IDynamicQuantizeLayer*, addDynamicQuantizeV2, (ITensor&, Dims const&, DataType, DataType), noexcept)
  TFT_VALUE(IKVCacheUpdateLayer*, addKVCacheUpdate, (ITensor&, ITensor&, ITensor&, KVCacheMode), noexcept)
  TFT_VALUE(INormalizationLayer*, addNormalizationV2, (ITensor&, ITensor&, ITensor&, uint32_t), noexcept)
  TFT_VALUE(IMoELayer*, addMoE, (ITensor&, ITensor&, ITensor&), noexcept)
  TFT_VALUE(IDistCollectiveLayer*, addDistCollective, (ITensor&, CollectiveOperation, ReduceOperation, int64_t, int64_t*, int64_t), noexcept)
#if NV_TENSORRT_MAJOR == 10
  TFT_VALUE(IFillLayer*, addFill, (Dims const&, FillOperation), noexcept)
  TFT_VALUE(IDequantizeLayer*, addDequantize, (ITensor&, ITensor&), noexcept)
  TFT_VALUE(IQuantizeLayer*, addQuantize, (ITensor&, ITensor&), noexcept)
#endif
#if NV_TENSORRT_MAJOR != 10
  TFT_VALUE(IAttention*, addAttentionV2, (ITensor&, ITensor&, ITensor&, AttentionNormalizationOp, CausalMaskKind), noexcept)
  TFT_VALUE(ISqueezeLayer*, addSqueezeV2, (ITensor&, ITensor*), noexcept)
#endif
};

class UnmodelledTensor : public apiv::VTensor {
 public:
  TFT_VOID(setName, (char const*), noexcept)
  TFT_VOID(setDimensions, (Dims const&), noexcept)
  TFT_VALUE(bool, isNetworkInput, (), const noexcept)
  TFT_VALUE(bool, isNetworkOutput, (), const noexcept)
#ifndef TFT_DOUBLE_RTX
  TFT_VOID(setBroadcastAcrossBatch, (bool), noexcept)
  TFT_VALUE(bool, getBroadcastAcrossBatch, (), const noexcept)
  TFT_VALUE(TensorLocation, getLocation, (), const noexcept)
  TFT_VOID(setLocation, (TensorLocation), noexcept)
#endif
  TFT_VOID(setAllowedFormats, (TensorFormats), noexcept)
  TFT_VALUE(TensorFormats, getAllowedFormats, (), const noexcept)
  TFT_VALUE(bool, isShapeTensor, (), const noexcept)
  TFT_VALUE(bool, isExecutionTensor, (), const noexcept)
  TFT_VOID(setDimensionName, (int32_t, char const*), noexcept)
  TFT_VALUE(char const*, getDimensionName, (int32_t), const noexcept)
#if NV_TENSORRT_MAJOR == 10
  TFT_VOID(setType, (DataType), noexcept)
  TFT_VALUE(bool, setDynamicRange, (float, float), noexcept)
  TFT_VALUE(bool, dynamicRangeIsSet, (), const noexcept)
  TFT_VOID(resetDynamicRange, (), noexcept)
  TFT_VALUE(float, getDynamicRangeMin, (), const noexcept)
  TFT_VALUE(float, getDynamicRangeMax, (), const noexcept)
#endif
};

class UnmodelledProfile : public apiv::VOptimizationProfile {
 public:
  TFT_VALUE(Dims, getDimensions, (char const*, OptProfileSelector), const noexcept)
  TFT_VALUE(int32_t, getNbShapeValues, (char const*), const noexcept)
  TFT_VALUE(bool, setExtraMemoryTarget, (float), noexcept)
  TFT_VALUE(float, getExtraMemoryTarget, (), const noexcept)
  TFT_VALUE(bool, setShapeValuesV2, (char const*, OptProfileSelector, int64_t const*, int32_t), noexcept)
  TFT_VALUE(int64_t const*, getShapeValuesV2, (char const*, OptProfileSelector), const noexcept)
#if NV_TENSORRT_MAJOR == 10
  TFT_VALUE(bool, setShapeValues, (char const*, OptProfileSelector, int32_t const*, int32_t), noexcept)
  TFT_VALUE(int32_t const*, getShapeValues, (char const*, OptProfileSelector), const noexcept)
#endif
#if NV_TENSORRT_MAJOR != 10
  TFT_VOID(setProfileStream, (cudaStream_t), noexcept)
  TFT_VALUE(cudaStream_t, getProfileStream, (), const noexcept)
#endif
};

class UnmodelledTimingCache : public apiv::VTimingCache {
 public:
  TFT_VALUE(bool, combine, (ITimingCache const&, bool), noexcept)
  TFT_VALUE(bool, reset, (), noexcept)
  TFT_VALUE(int64_t, queryKeys, (TimingCacheKey*, int64_t), const noexcept)
  TFT_VALUE(TimingCacheValue, query, (TimingCacheKey const&), const noexcept)
  TFT_VALUE(bool, update, (TimingCacheKey const&, TimingCacheValue const&), noexcept)
};

class UnmodelledInspector : public apiv::VEngineInspector {
 public:
  TFT_VALUE(bool, setExecutionContext, (IExecutionContext const*), noexcept)
  TFT_VALUE(IExecutionContext const*, getExecutionContext, (), const noexcept)
  TFT_VALUE(char const*, getLayerInformation, (int32_t, LayerInformationFormat), const noexcept)
  TFT_VOID(setErrorRecorder, (IErrorRecorder*), noexcept)
  TFT_VALUE(IErrorRecorder*, getErrorRecorder, (), const noexcept)
};

}  // namespace doubles
// clang-format on

#undef TFT_VOID
#undef TFT_VALUE
#undef TFT_REFERENCE
#pragma GCC diagnostic pop

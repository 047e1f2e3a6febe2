// The part of ONNX Runtime's C API that is used here: https://onnxruntime.ai/docs/api/c. The functions are in
// a table; cmake/OnnxRuntimeSlots.cmake writes where each is.
#pragma once

#include <cstddef>
#include <cstdint>

#include "onnxruntime_slots.h"

namespace tft::onnxruntime {

// ONNX Runtime's own types, opaque here.
struct Env;
struct Status;
struct MemoryInfo;
struct SessionOptions;
struct RunOptions;
struct OrtSession;
struct Value;
struct TypeInfo;
struct TensorInfo;
struct Allocator;
struct OperatorDomain;
struct KernelInfo;
struct KernelContext;
struct ShapeInferenceContext;

constexpr std::uint32_t kApiVersion = 17;  // of ONNX Runtime 1.17
constexpr int kLogWarnings = 2;
constexpr int kArenaAllocator = 1;
constexpr int kDefaultMemory = 0;

constexpr int kFailed = 1;    // of a Status
constexpr int kRequired = 0;  // an input or output that a node must have

/// Types of elements, of those that models have.
enum ElementKind : int { kFloat = 1, kInt32 = 6 };

/// What the library exports.
struct ApiBase {
  const void* const* (*get_api)(std::uint32_t version);
  const char* (*get_version)();
};

/// An operator that is not ONNX Runtime's own, as version 17 of the API lays it out. A null function is not
/// called.
struct CustomOperator {
  using Self = const CustomOperator*;
  std::uint32_t version;
  void* (*make_kernel_without_status)(Self, const void* api, const KernelInfo*);
  const char* (*get_name)(Self);
  const char* (*get_provider)(Self);
  int (*get_input_type)(Self, std::size_t index);
  std::size_t (*get_input_count)(Self);
  int (*get_output_type)(Self, std::size_t index);
  std::size_t (*get_output_count)(Self);
  void (*compute_without_status)(void* kernel, KernelContext*);
  void (*destroy_kernel)(void* kernel);
  int (*get_input_characteristic)(Self, std::size_t index);
  int (*get_output_characteristic)(Self, std::size_t index);
  int (*get_input_memory)(Self, std::size_t index);
  int (*get_least_variadic_inputs)(Self);
  int (*get_variadic_inputs_alike)(Self);
  int (*get_least_variadic_outputs)(Self);
  int (*get_variadic_outputs_alike)(Self);
  Status* (*make_kernel)(Self, const void* api, const KernelInfo*, void** kernel);
  Status* (*compute)(void* kernel, KernelContext*);
  Status* (*infer_shapes)(Self, ShapeInferenceContext*);
  int (*get_start_version)(Self);
  int (*get_end_version)(Self);
};

/// The functions in use. A null Status is success.
struct Api {
  explicit Api(const void* const* table) {
    const auto take = [table](auto& function, Slot slot) {
      // A pointer to data holds a pointer to a function on every system that has dlsym.
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(
          const_cast<void*>(table[static_cast<std::size_t>(slot)]));
    };
    take(create_status, Slot::CreateStatus);
    take(error_message, Slot::GetErrorMessage);
    take(create_env, Slot::CreateEnv);
    take(disable_telemetry, Slot::DisableTelemetryEvents);
    take(create_session, Slot::CreateSession);
    take(create_session_from_bytes, Slot::CreateSessionFromArray);
    take(run, Slot::Run);
    take(create_session_options, Slot::CreateSessionOptions);
    take(set_intra_op_threads, Slot::SetIntraOpNumThreads);
    take(set_inter_op_threads, Slot::SetInterOpNumThreads);
    take(create_operator_domain, Slot::CreateCustomOpDomain);
    take(add_to_domain, Slot::CustomOpDomain_Add);
    take(add_operator_domain, Slot::AddCustomOpDomain);
    take(input_count, Slot::SessionGetInputCount);
    take(output_count, Slot::SessionGetOutputCount);
    take(input_type, Slot::SessionGetInputTypeInfo);
    take(output_type, Slot::SessionGetOutputTypeInfo);
    take(input_name, Slot::SessionGetInputName);
    take(output_name, Slot::SessionGetOutputName);
    take(create_tensor, Slot::CreateTensorWithDataAsOrtValue);
    take(tensor_data, Slot::GetTensorMutableData);
    take(tensor_info, Slot::CastTypeInfoToTensorInfo);
    take(value_tensor_info, Slot::GetTensorTypeAndShape);
    take(element_type, Slot::GetTensorElementType);
    take(dimension_count, Slot::GetDimensionsCount);
    take(dimensions, Slot::GetDimensions);
    take(create_cpu_memory, Slot::CreateCpuMemoryInfo);
    take(default_allocator, Slot::GetAllocatorWithDefaultOptions);
    take(free, Slot::AllocatorFree);
    take(kernel_input, Slot::KernelContext_GetInput);
    take(kernel_output, Slot::KernelContext_GetOutput);
    take(constant_input, Slot::KernelInfoGetConstantInput_tensor);
    take(release_env, Slot::ReleaseEnv);
    take(release_status, Slot::ReleaseStatus);
    take(release_memory, Slot::ReleaseMemoryInfo);
    take(release_session, Slot::ReleaseSession);
    take(release_value, Slot::ReleaseValue);
    take(release_type, Slot::ReleaseTypeInfo);
    take(release_tensor_info, Slot::ReleaseTensorTypeAndShapeInfo);
    take(release_operator_domain, Slot::ReleaseCustomOpDomain);
    take(release_session_options, Slot::ReleaseSessionOptions);
  }

  Status* (*create_status)(int code, const char* message);
  const char* (*error_message)(const Status*);
  Status* (*create_env)(int level, const char* id, Env**);
  Status* (*disable_telemetry)(const Env*);
  Status* (*create_session)(const Env*, const char* path, const SessionOptions*, OrtSession**);
  Status* (*create_session_from_bytes)(const Env*, const void* model, std::size_t bytes,
                                       const SessionOptions*, OrtSession**);
  Status* (*run)(OrtSession*, const RunOptions*, const char* const* input_names, const Value* const* inputs,
                 std::size_t input_count, const char* const* output_names, std::size_t output_count,
                 Value** outputs);
  Status* (*create_session_options)(SessionOptions**);
  Status* (*set_intra_op_threads)(SessionOptions*, int);
  Status* (*set_inter_op_threads)(SessionOptions*, int);
  Status* (*create_operator_domain)(const char* name, OperatorDomain**);
  Status* (*add_to_domain)(OperatorDomain*, const CustomOperator*);
  Status* (*add_operator_domain)(SessionOptions*, OperatorDomain*);
  Status* (*input_count)(const OrtSession*, std::size_t*);
  Status* (*output_count)(const OrtSession*, std::size_t*);
  Status* (*input_type)(const OrtSession*, std::size_t, TypeInfo**);
  Status* (*output_type)(const OrtSession*, std::size_t, TypeInfo**);
  Status* (*input_name)(const OrtSession*, std::size_t, Allocator*, char**);
  Status* (*output_name)(const OrtSession*, std::size_t, Allocator*, char**);
  Status* (*create_tensor)(const MemoryInfo*, void* data, std::size_t bytes, const std::int64_t* shape,
                           std::size_t dimensions, int element, Value**);
  Status* (*tensor_data)(Value*, void**);
  Status* (*tensor_info)(const TypeInfo*, const TensorInfo**);
  Status* (*value_tensor_info)(const Value*, TensorInfo**);
  Status* (*element_type)(const TensorInfo*, int*);
  Status* (*dimension_count)(const TensorInfo*, std::size_t*);
  Status* (*dimensions)(const TensorInfo*, std::int64_t*, std::size_t);
  Status* (*create_cpu_memory)(int allocator, int memory, MemoryInfo**);
  Status* (*default_allocator)(Allocator**);
  Status* (*free)(Allocator*, void*);
  Status* (*kernel_input)(const KernelContext*, std::size_t index, const Value**);
  Status* (*kernel_output)(KernelContext*, std::size_t index, const std::int64_t* shape,
                           std::size_t dimensions, Value**);
  Status* (*constant_input)(const KernelInfo*, std::size_t index, int* is_constant, const Value**);
  void (*release_env)(Env*);
  void (*release_status)(Status*);
  void (*release_memory)(MemoryInfo*);
  void (*release_session)(OrtSession*);
  void (*release_value)(Value*);
  void (*release_type)(TypeInfo*);
  void (*release_tensor_info)(TensorInfo*);
  void (*release_operator_domain)(OperatorDomain*);
  void (*release_session_options)(SessionOptions*);
};

}  // namespace tft::onnxruntime

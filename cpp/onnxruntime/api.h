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

constexpr std::uint32_t kApiVersion = 17;  // of ONNX Runtime 1.17
constexpr int kLogWarnings = 2;
constexpr int kArenaAllocator = 1;
constexpr int kDefaultMemory = 0;

/// Types of elements, of those that models have.
enum ElementKind : int { kFloat = 1, kInt32 = 6 };

/// What the library exports.
struct ApiBase {
  const void* const* (*get_api)(std::uint32_t version);
  const char* (*get_version)();
};

/// The functions in use. A null Status is success.
struct Api {
  explicit Api(const void* const* table) {
    const auto take = [table](auto& function, Slot slot) {
      // A pointer to data holds a pointer to a function on every system that has dlsym.
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(
          const_cast<void*>(table[static_cast<std::size_t>(slot)]));
    };
    take(error_message, Slot::GetErrorMessage);
    take(create_env, Slot::CreateEnv);
    take(disable_telemetry, Slot::DisableTelemetryEvents);
    take(create_session, Slot::CreateSession);
    take(run, Slot::Run);
    take(create_session_options, Slot::CreateSessionOptions);
    take(set_intra_op_threads, Slot::SetIntraOpNumThreads);
    take(set_inter_op_threads, Slot::SetInterOpNumThreads);
    take(input_count, Slot::SessionGetInputCount);
    take(output_count, Slot::SessionGetOutputCount);
    take(input_type, Slot::SessionGetInputTypeInfo);
    take(output_type, Slot::SessionGetOutputTypeInfo);
    take(input_name, Slot::SessionGetInputName);
    take(output_name, Slot::SessionGetOutputName);
    take(create_tensor, Slot::CreateTensorWithDataAsOrtValue);
    take(tensor_info, Slot::CastTypeInfoToTensorInfo);
    take(element_type, Slot::GetTensorElementType);
    take(dimension_count, Slot::GetDimensionsCount);
    take(dimensions, Slot::GetDimensions);
    take(create_cpu_memory, Slot::CreateCpuMemoryInfo);
    take(default_allocator, Slot::GetAllocatorWithDefaultOptions);
    take(free, Slot::AllocatorFree);
    take(release_env, Slot::ReleaseEnv);
    take(release_status, Slot::ReleaseStatus);
    take(release_memory, Slot::ReleaseMemoryInfo);
    take(release_session, Slot::ReleaseSession);
    take(release_value, Slot::ReleaseValue);
    take(release_type, Slot::ReleaseTypeInfo);
    take(release_session_options, Slot::ReleaseSessionOptions);
  }

  const char* (*error_message)(const Status*);
  Status* (*create_env)(int level, const char* id, Env**);
  Status* (*disable_telemetry)(const Env*);
  Status* (*create_session)(const Env*, const char* path, const SessionOptions*, OrtSession**);
  Status* (*run)(OrtSession*, const RunOptions*, const char* const* input_names, const Value* const* inputs,
                 std::size_t input_count, const char* const* output_names, std::size_t output_count,
                 Value** outputs);
  Status* (*create_session_options)(SessionOptions**);
  Status* (*set_intra_op_threads)(SessionOptions*, int);
  Status* (*set_inter_op_threads)(SessionOptions*, int);
  Status* (*input_count)(const OrtSession*, std::size_t*);
  Status* (*output_count)(const OrtSession*, std::size_t*);
  Status* (*input_type)(const OrtSession*, std::size_t, TypeInfo**);
  Status* (*output_type)(const OrtSession*, std::size_t, TypeInfo**);
  Status* (*input_name)(const OrtSession*, std::size_t, Allocator*, char**);
  Status* (*output_name)(const OrtSession*, std::size_t, Allocator*, char**);
  Status* (*create_tensor)(const MemoryInfo*, void* data, std::size_t bytes, const std::int64_t* shape,
                           std::size_t dimensions, int element, Value**);
  Status* (*tensor_info)(const TypeInfo*, const TensorInfo**);
  Status* (*element_type)(const TensorInfo*, int*);
  Status* (*dimension_count)(const TensorInfo*, std::size_t*);
  Status* (*dimensions)(const TensorInfo*, std::int64_t*, std::size_t);
  Status* (*create_cpu_memory)(int allocator, int memory, MemoryInfo**);
  Status* (*default_allocator)(Allocator**);
  Status* (*free)(Allocator*, void*);
  void (*release_env)(Env*);
  void (*release_status)(Status*);
  void (*release_memory)(MemoryInfo*);
  void (*release_session)(OrtSession*);
  void (*release_value)(Value*);
  void (*release_type)(TypeInfo*);
  void (*release_session_options)(SessionOptions*);
};

}  // namespace tft::onnxruntime

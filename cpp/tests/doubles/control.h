// Controls the doubles: functions for tests, and functions that libnvinfer's double calls in libcuda's
// double, which keeps the ledger for both. libcuda's double exports all of them with C linkage.
#pragma once
#include <cstddef>
#include <cstdint>

extern "C" {

// For tests:

/// Clears calls, counters, faults, violations and lost devices, and reads the settings of the environment
/// again. No object made before may be in use.
void double_reset();

/// Makes the nth call of `name` from now on (1 is the next one) fail with `code`: a CUresult, or any number
/// but 0 for libnvinfer's functions. Codes that CUDA documents as sticky (700, 719, …) lose the device.
/// Several faults may be armed. `run:copy` and `run:model` name the nth work item that a stream executes;
/// they fail on the stream's thread.
void double_fail(const char* name, std::int64_t nth, int code);
/// How many armed faults have fired since the last reset.
std::int64_t double_faults_fired();
/// From now on every call on the device fails with `code`, as after a kernel's illegal address (700).
void double_lose_device(int device, int code);

/// Settings: "devices", "memory" (bytes on each device), "run_us" and "copy_us" (the duration of a model run
/// or a copy), "jitter_us" (the maximum of a random addition, seeded by "seed"), "build_ms" (the duration of
/// a build), "compute" (the devices' compute capability, 90 for 9.0).
void double_set(const char* setting, std::int64_t value);
std::int64_t double_setting(const char* setting);

/// Calls of the function `name` since the last reset.
std::int64_t double_calls(const char* name);
/// The number of objects of a kind (README.md) that were created or freed since the last reset; "*" is all
/// kinds.
std::int64_t double_created(const char* kind);
std::int64_t double_freed(const char* kind);
/// The number of uses that NVIDIA's documentation or this project forbids (such as copies from pageable
/// memory).
std::int64_t double_violations();
/// The violations' messages, one per line; valid until the next call on the same thread.
const char* double_violation_text();
/// Writes the ledger as JSON, as TFT_DOUBLE_REPORT does at process exit. False if the file cannot be written.
bool double_report(const char* path);

// For libnvinfer's double:

/// Counts a call; returns the code of the fault that fires on it, else 0.
int double_call(const char* name);
void double_count_created(const char* kind);
void double_count_freed(const char* kind);
void double_violation(const char* message);

/// The device whose context is current on this thread, or -1.
int double_current_device();
/// A device's name and compute capability; TFT_DOUBLE_DEVICE_NAME and the setting "compute" change them. The
/// text is valid until the next call on the same thread.
const char* double_device_name(int device);
/// 90 for 9.0.
int double_compute_capability(int device);
/// Reserves bytes of the current device's memory, without an address. Returns 0 or CUDA_ERROR_OUT_OF_MEMORY.
int double_reserve(int device, std::size_t bytes);
void double_unreserve(int device, std::size_t bytes);
/// The host address behind `bytes` bytes at a device pointer; null if they are not all of one live allocation
/// of `device`.
void* double_device_bytes(std::uint64_t pointer, std::size_t bytes, int device);

/// Work that a stream runs, or that a capture records and a graph replays.
struct DoubleWork {
  /// Runs on the stream's thread; a CUresult.
  int (*run)(void* state);
  /// Called at graph launch; a message if the graph must not be launched any more, else null.
  const char* (*stale)(void* state);
  /// Called when neither stream nor graph refers to the state any more.
  void (*destroy)(void* state);
  void* state;
};
/// Takes ownership of the work, even if it fails. Returns a CUresult.
int double_enqueue(void* stream, DoubleWork work);
/// 0: not capturing, 1: capturing; negative: not a live stream of the current context.
int double_capturing(void* stream);
/// Invalidates a capture in progress on the stream, so that it fails.
void double_invalidate_capture(void* stream);
/// Sleeps as "run_us" (or "copy_us") and the jitter say.
void double_delay(const char* setting);
}
